//! One suite for both front doors, Landfall's own proxy and a Caddy: what a deploy promises does not depend on which.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod caddy_alone;
mod deploys;
mod requests;
mod world;

use world::Door;

/// Makes a test of each for Landfall's own proxy and one for a Caddy.
macro_rules! for_both {
    ($($module:ident :: $test:ident),* $(,)?) => {
        mod landfall {
            $(#[test] fn $test() { super::$module::$test(super::Door::Landfall); })*
        }
        mod caddy {
            $(#[test] fn $test() {
                if super::world::caddy_is_there() { super::$module::$test(super::Door::Caddy); }
            })*
        }
    };
}

for_both! {
    deploys::restart_holds_requests_and_loses_none,
    deploys::blue_green_pauses_nobody_and_loses_none,
    deploys::a_rolling_release_loses_nothing,
    deploys::a_canary_that_is_as_good_is_promoted,
    deploys::a_canary_that_fails_is_taken_back,
    deploys::streams_outlive_a_deploy,
    deploys::a_restart_cuts_streams_at_the_deadline_and_makes_nobody_wait_for_them,
    deploys::a_restart_goes_on_when_the_last_stream_ends,
    deploys::who_waits_for_streams_can_be_stopped,
    deploys::a_bad_release_changes_nothing,
    deploys::a_rollback_and_a_down,
    deploys::a_door_that_is_killed_comes_back_with_its_routes,
    deploys::an_agent_that_is_killed_while_requests_wait_loses_none,
    deploys::an_instance_that_dies_is_not_noticed,
    requests::hosts_and_prefixes_lead_to_their_service,
    requests::what_instances_are_told_of_a_request,
    requests::large_bodies_pass_and_too_large_ones_do_not,
    requests::a_site_and_what_is_missing_in_it,
    requests::https_with_the_hosts_own_authority,
    requests::maintenance_and_pause,
    requests::a_route_of_another_application_is_refused,
}
