"""What the plots and the report of a study show, as numbers: nothing here draws."""
