//! The data plane: routes, health, holding, atomic switches, draining, metering. Never hears of a deployment.
