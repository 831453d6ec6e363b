"""Read MARC 21 bibliographic records: https://www.loc.gov/marc/bibliographic/."""
