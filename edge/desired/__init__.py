"""What the fleet has this sensor run: signed documents from the broker, models to fetch, and the way back."""
