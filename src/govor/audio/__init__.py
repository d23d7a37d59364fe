"""Sound into numbers: files, bytes and streams of any format, microphones, and how good the sound is."""
