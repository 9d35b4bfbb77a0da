"""Who is told what changed, once: decided from the readiness report and what was told before, delivered by mail and Apprise."""
