"""REST APIs that list records as JSON. YAML describes each API."""
