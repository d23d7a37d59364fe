"""Recognition for other programs and browsers: HTTP, WebSocket and Wyoming in one process."""
