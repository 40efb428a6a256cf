"""Facts on their way from the outbox to the event bus."""
