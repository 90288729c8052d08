"""Networks other than the study's: LeNet-300-100, on which the pruner is held to the literature."""
