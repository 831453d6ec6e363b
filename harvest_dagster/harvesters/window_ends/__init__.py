"""The dates of requests, how a source treats the first and the last of them, and which records a window keeps."""
