"""Measures a trained model: accuracy, calibration, robustness, agreement of runtimes, cost."""
