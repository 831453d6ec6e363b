"""When a request may be sent: budgets, rate limit headers, retries and deadlines."""
