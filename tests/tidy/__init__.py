"""Rules of the layout and of style that a machine can judge, over every file of the project."""
