"""An evaluation as pages, plots and tables."""
