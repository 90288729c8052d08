#!/bin/sh
# Install what the paper needs of TeX, where it is missing: through apt, as root or with sudo.
set -eu
. "${0%/*}/apt.sh"
packages="latexmk texlive-latex-base texlive-latex-recommended texlive-latex-extra \
texlive-fonts-recommended texlive-science lmodern"

complete() { # the two programs, and one file of each package
    command -v latexmk >/dev/null && command -v pdflatex >/dev/null &&
        kpsewhich article.cls booktabs.sty enumitem.sty ptmr8t.tfm siunitx.sty lmodern.sty >/dev/null
}

complete && exit
install $packages && complete && exit
echo "set-up: the PDF needs LaTeX, which could not be installed here; on Debian and Ubuntu, install" \
    "the packages $packages; with conda, 'conda install -c conda-forge latexmk' and TeX Live" \
    "(see environment.yml)." >&2
exit 2
