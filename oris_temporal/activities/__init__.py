"""The Temporal activities: everything a graph does that has an effect or takes time outside of the workflow."""
