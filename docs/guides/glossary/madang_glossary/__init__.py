"""A team's own words: kept by people, explained by an agent."""
