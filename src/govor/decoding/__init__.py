"""From log-probabilities of letters to words: greedy, beam search, language model, times, confidences."""
