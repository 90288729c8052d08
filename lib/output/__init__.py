"""What leaves: a table in; a picture, a number or a page out."""
