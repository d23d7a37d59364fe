"""Russian text as the recogniser knows it: letters, numbers in words and in digits, the finished look."""
