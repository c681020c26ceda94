"""Make the demo's invented trial: its true values, its entry errors, and the four centres' projects."""
