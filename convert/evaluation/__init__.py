"""Measures a trained model: accuracy, calibration, robustness, agreement between runtimes, cost."""
