"""How a source treats the ends of the time that it is asked for: the dates of requests, and a probe of both ends."""
