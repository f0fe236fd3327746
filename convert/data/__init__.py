"""FER2013 with FER+ votes: loading, augmentation, corruptions."""
