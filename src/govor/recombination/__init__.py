"""Sentences that nobody said, in real voices: recordings cut inside their phones and put together anew."""
