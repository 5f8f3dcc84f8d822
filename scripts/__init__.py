"""The verbs of the project: run, export, plots, sample_data. The analytics are in models/."""
