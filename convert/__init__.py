"""The workstation half: trains, evaluates, quantizes and exports the model that `edge` runs."""
