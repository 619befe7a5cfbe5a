//! The supervisor of one instance: starts it, restarts it, keeps its output; outlives the agent.
