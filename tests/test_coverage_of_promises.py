"""Where each promise (P) and each row of the threat table is shown: the number, what is required, the tests that show it.

A test is `file::function`, the file below tests/. More of them carry the number in their name (`test_p5_…`, `test_row_38_…`; pytest
-k p5 finds them). A listed test that no longer exists or is skipped fails here, and so does a number without any.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

PROMISES = {
    "P1": ("nothing is written ahead of Prometheus's time, and nothing while the clocks disagree", """
        promises/test_p1_our_clock_is_wrong.py::test_p1_three_hours_off_writes_nothing_and_loses_no_scrape
        analyzer/sinks/test_remote_write.py::test_p1_samples_later_than_prometheus_are_never_sent
        analyzer/sinks/test_remote_write.py::test_p1_a_sample_that_is_a_little_early_waits_for_its_time
        analyzer/sinks/test_remote_write.py::test_p1_nothing_is_written_while_the_clocks_disagree
        analyzer/sinks/test_remote_write.py::test_p1_writing_resumes_when_the_clocks_agree_again
        analyzer/sinks/test_remote_write.py::test_nothing_is_written_before_the_clock_of_prometheus_is_known
        analyzer/sinks/test_remote_write.py::test_a_jump_of_our_clock_is_noticed_before_the_next_write
        analyzer/sinks/test_remote_write.py::test_values_arrive_at_their_time_and_none_lies_in_the_future
        analyzer/test_derived.py::test_forecasts_are_written_every_two_minutes_where_there_is_a_limit
        threats/test_row_45_clocks.py::test_a_jump_of_our_own_clock_moves_no_evaluation_time_and_is_told_once
    """),
    "P2": ("5xx, 429 and the network are tried again with jittered backoff; other refusals never", """
        analyzer/sinks/test_remote_write.py::test_p2_at_most_one_request_in_each_backoff_step
        analyzer/sinks/test_remote_write.py::test_sender_case
        analyzer/sinks/test_remote_write.py::test_row_35_other_refusals_cost_one_request_and_are_counted
        analyzer/sinks/test_remote_write.py::test_429_waits_as_long_as_asked
        analyzer/sinks/test_remote_write.py::test_retry_after_is_honoured_within_a_minute
        analyzer/sinks/test_remote_write.py::test_network_faults_are_retried
        analyzer/sinks/test_remote_write.py::test_a_slow_gateway_that_answers_503_for_a_while_is_outlived
        analyzer/sinks/test_alertmanager.py::test_what_alertmanager_does_not_take_is_kept_and_sent_again
    """),
    "P3": ("an outage of ten minutes loses nothing; what exceeds the bounds goes oldest first and is counted", """
        analyzer/sinks/test_outages.py::test_p3_a_frozen_then_killed_prometheus_loses_nothing_that_was_queued
        analyzer/sinks/test_remote_write.py::test_p3_an_outage_within_the_bounds_loses_nothing_and_keeps_the_order
        analyzer/sinks/test_remote_write.py::test_p3_over_the_bound_the_oldest_goes_and_is_counted_exactly
        analyzer/sinks/test_remote_write.py::test_retries_end_when_the_sample_is_too_old
        analyzer/sinks/test_remote_write.py::test_what_waits_survives_a_restart
    """),
    "P4": ("a bad sample costs itself and not its batch, in at most 21 requests", """
        analyzer/sinks/test_remote_write.py::test_p4_one_bad_sample_in_a_thousand_costs_itself_in_at_most_21_requests
        analyzer/sinks/test_remote_write.py::test_p4_one_sample_out_of_order_in_a_thousand_costs_itself
        analyzer/sinks/test_remote_write.py::test_a_permanent_error_that_is_answered_with_500_is_narrowed_down_too
    """),
    "P5": ("no finding is lost and no notification repeated by a kill at any moment; resumed within a cycle", """
        e2e/test_restart.py::test_an_alert_outlives_kills_and_stops_unchanged_and_resolves_once
        analyzer/sinks/test_outages.py::test_p5_kill_9_at_random_instants_loses_no_finding_and_repeats_no_notification
        analyzer/test_store.py::test_p5_after_300_kills_every_write_that_returned_is_there_and_none_is_half
        analyzer/test_snapshot.py::test_p5_a_crash_at_any_write_sync_or_rename_leaves_the_old_state_or_the_new
        analyzer/test_snapshot.py::test_a_full_disk_keeps_the_old_state
        analyzer/test_store.py::test_a_full_disk_keeps_alerts_in_memory_and_writes_them_when_there_is_room
        analyzer/sinks/test_alertmanager.py::test_p5_an_alert_is_stored_before_it_is_sent
        analyzer/sinks/test_alertmanager.py::test_p5_a_restart_goes_on_with_the_same_labels_and_start_and_resolves_nothing
        analyzer/test_findings.py::test_p5_a_restart_keeps_the_open_findings
        analyzer/test_incidents.py::test_p5_a_restart_continues_the_incidents
        analyzer/test_resume.py::test_a_kill_changes_no_incident_and_costs_at_most_one_cycle
    """),
    "P6": ("no alert resolves by itself: skipped cycles, restarts, reloads and clocks that are set", """
        analyzer/sinks/test_alertmanager.py::test_p6_three_skipped_cycles_resolve_nothing
        analyzer/sinks/test_alertmanager.py::test_firing_alerts_are_sent_again_within_a_minute_without_any_cycle
        analyzer/sinks/test_alertmanager.py::test_starts_is_fixed_and_ends_is_four_intervals_ahead
        analyzer/sinks/test_alertmanager.py::test_resolved_is_sent_once_at_once_and_again_for_fifteen_minutes
        analyzer/sinks/test_alertmanager.py::test_row_45_a_jump_of_our_wall_clock_resolves_nothing_and_still_resolves_in_the_end
        analyzer/sinks/test_alertmanager.py::test_two_sinks_over_one_store_during_a_reload_agree
        analyzer/sinks/test_alertmanager.py::test_a_restart_makes_no_twin_and_resolves_nothing
        analyzer/sinks/test_alertmanager.py::test_it_fires_once_in_both_languages_stays_and_resolves_once
    """),
    "P7": ("every Alertmanager gets every alert", """
        analyzer/sinks/test_alertmanager.py::test_p7_every_alertmanager_gets_every_alert
        analyzer/sinks/test_alertmanager.py::test_one_dead_alertmanager_does_not_keep_it_from_the_other
    """),
    "P8": ("no data is neither healthy nor an anomaly: nothing opens or ends, one alert about ourselves", """
        e2e/test_outage.py::test_p8_prometheus_that_hangs_and_then_dies_opens_and_ends_nothing
        promises/test_p8_no_data_is_not_healthy_and_no_anomaly.py::test_nothing_opens_or_ends_while_it_lasts
        promises/test_p8_no_data_is_not_healthy_and_no_anomaly.py::test_people_hear_of_it_once_within_two_cycles_and_once_of_its_end
        analyzer/test_findings.py::test_p8_a_partial_answer_opens_nothing
        analyzer/test_findings.py::test_p8_a_partial_answer_ends_nothing
        analyzer/test_findings.py::test_p8_no_data_at_all_ends_nothing_and_opens_nothing
        analyzer/test_incidents.py::test_p8_a_partial_answer_opens_and_ends_no_incident
        analyzer/test_health.py::test_p8_a_server_without_data_is_neither_healthy_nor_sick
        analyzer/sources/test_real_servers.py::test_away_is_not_empty
    """),
    "P9": ("an alert of others is on disk before its 200, within a second; repetitions change nothing", """
        analyzer/api/test_webhook.py::test_an_alert_is_on_disk_before_the_answer
        analyzer/api/test_webhook.py::test_a_repeated_notification_changes_nothing
        analyzer/api/test_webhook.py::test_a_slow_disk_is_a_503_within_the_second
        analyzer/api/test_webhook.py::test_what_cannot_be_stored_is_a_503_and_comes_again
        analyzer/api/test_alertmanager.py::test_a_kill_in_the_middle_loses_nothing_that_was_answered
        analyzer/api/test_alertmanager.py::test_alertmanagers_alert_is_stored_explained_once_and_has_a_companion_until_it_ends
    """),
    "P10": ("/metrics answers although a collector or a neighbour hangs; no thread or file is left each time", """
        promises/test_p10_p13_p14_both_services.py::test_p10_metrics_answer_although_every_neighbour_hangs
        service/test_metrics.py::test_p10_hanging_collector_is_left_out_and_the_others_are_shown
        service/test_metrics.py::test_p10_hanging_collector_costs_one_thread_for_ever_and_no_time_after_the_first
        service/test_metrics.py::test_p10_collector_that_raises_is_success_0_and_logged_once
        service/test_metrics.py::test_p10_route_answers_in_time_beside_a_hanging_collector
        exporter/test_host.py::test_p10_hung_mount_hides_only_itself
        exporter/test_host.py::test_p10_hung_collector_shows_success_0_and_others_answer
        exporter/test_host.py::test_p10_hung_collector_costs_time_once_and_one_thread
        exporter/test_host.py::test_p10_collector_that_comes_back_is_asked_again
        exporter/test_web.py::test_p10_metrics_answer_although_a_collector_hangs
    """),
    "P13": ("TLS from 1.2, bcrypt, both read again without a restart; no way around them", """
        promises/test_p10_p13_p14_both_services.py::test_p13_nobody_is_let_in_without_the_password_and_nothing_is_said_in_clear
        promises/test_p10_p13_p14_both_services.py::test_p13_a_change_with_the_password_is_let_in_beyond_loopback
        promises/test_p10_p13_p14_both_services.py::test_p13_a_new_password_is_taken_without_a_restart
        service/test_auth.py::test_p13_password_of_the_decoy_user_is_refused_cold_and_cached
        service/test_auth.py::test_p13_poisoning_the_cache_lets_nobody_in
        service/test_auth.py::test_p13_right_and_wrong_passwords_at_once
        service/test_auth.py::test_p13_users_are_read_again_without_a_restart
        service/test_auth.py::test_p13_broken_web_config_keeps_the_old_and_is_counted_and_logged_once
        service/test_tls.py::test_p13_tls_below_1_2_is_refused
        service/test_tls.py::test_p13_certificate_is_exchanged_under_load_without_a_failed_request
        service/test_tls.py::test_p13_broken_certificate_keeps_the_old_one
    """),
    "P14": ("SIGTERM with everything open ends within five seconds with 0, the queue on its way or on disk", """
        promises/test_p10_p13_p14_both_services.py::test_p14_sigterm_ends_it_within_five_seconds_whatever_hangs_and_whoever_is_connected
        service/test_shutdown.py::test_p14_sigterm_with_100_open_streams_ends_in_time_with_rc_0
        service/test_shutdown.py::test_p14_readers_that_do_not_read_do_not_delay_the_end
        service/test_shutdown.py::test_p14_hanging_thread_and_hanging_clean_up_do_not_delay_the_end
        exporter/test_web.py::test_exporter_ends_on_sigterm_although_a_collector_hangs
        analyzer/test_main.py::test_p14_sigterm_ends_it_within_five_seconds_with_0
        analyzer/sinks/test_alertmanager.py::test_p14_what_has_just_changed_is_sent_before_we_stop
        analyzer/sinks/test_alertmanager.py::test_p14_a_stalled_alertmanager_does_not_hold_a_stop_up
        analyzer/sinks/test_remote_write.py::test_what_waits_survives_a_restart
    """),
}  # fmt: skip

KIT = "service/test_threats.py::test_threat_is_refused_as_json_counted_and_logged_once"
ROUTES = "threats/test_rows_1_to_18_on_every_route.py"
BODIES = f"{KIT} {ROUTES}::test_a_bad_body_is_refused_by_every_route_that_reads_one"
SOCKET = f"{KIT} {ROUTES}::test_a_request_that_cannot_be_trusted_is_refused"

ROWS = {
    1: ("truncated JSON", BODIES),
    2: ("100,000 nested arrays", f"{BODIES} service/test_threats.py::test_loop_lag_stays_below_100_ms"),
    3: ("a number of 5,000 digits", BODIES),
    4: ("NaN and infinities, in and out", f"""{BODIES}
        service/test_threats.py::test_row_4_answers_are_strict_json
        service/test_app.py::test_json_never_says_nan
    """),
    5: ("bytes that are no UTF-8, unknown charsets", f"{BODIES} service/test_fuzz.py::test_any_bytes_are_text_or_refused"),
    6: ("half a character", f"""{BODIES}
        service/test_threats.py::test_row_6_scrape_works_after_a_lone_surrogate
        {ROUTES}::test_row_6_and_33_the_page_is_clean_afterwards
    """),
    7: ("what does not fit the schema", f"""{KIT}
        service/test_threats.py::test_row_7_schema_error_names_the_place
        {ROUTES}::test_row_7_what_does_not_fit_is_422_with_its_place
        exporter/fleet/test_web.py::test_a_bad_body_is_refused_and_changes_nothing
        analyzer/api/test_analyze.py::test_a_bad_row_is_refused_with_its_place
    """),
    8: ("bodies that are too large, or not as long as they say", f"""{BODIES}
        service/test_threats.py::test_row_8_body_shorter_than_its_length_is_given_up
        service/test_sockets.py::test_row_8_body_that_ends_before_its_length_is_400
        service/test_sockets.py::test_row_8_body_that_breaks_off_after_the_answer_is_nobodys_fault
    """),
    9: ("little that unpacks or parses to very much", f"""{BODIES}
        service/test_threats.py::test_row_9_gzip_of_512_mib_never_takes_more_than_the_limit
        service/test_threats.py::test_row_9_small_body_of_very_many_values_is_refused_before_it_is_parsed
        service/test_threats.py::test_row_9_parsed_size_is_no_less_than_it_takes
        service/test_threats.py::test_row_9_what_one_may_many_at_once_may_not
        {ROUTES}::test_rows_9_and_10_many_refusals_leave_no_memory_behind
    """),
    10: ("45,000 empty gzip members", f"""{BODIES}
        service/test_threats.py::test_loop_lag_stays_below_100_ms
        {ROUTES}::test_rows_9_and_10_many_refusals_leave_no_memory_behind
    """),
    11: ("snappy that claims 4 GiB, unknown encodings", f"""{BODIES}
        service/test_threats.py::test_row_11_snappy_claiming_4_gib_is_refused_before_allocating
    """),
    12: ("connections that say nothing, or too slowly, or too many", """
        service/test_sockets.py::test_row_12_slowloris_is_closed_when_the_header_time_is_up
        service/test_sockets.py::test_row_12_the_default_header_time_is_ten_seconds
        service/test_sockets.py::test_row_12_silent_connection_is_closed_with_a_reason
        service/test_sockets.py::test_row_12_second_request_of_a_connection_has_the_header_time_too
        service/test_sockets.py::test_row_12_slow_body_is_not_a_slow_header
        service/test_sockets.py::test_row_12_good_clients_are_served_beside_500_slow_ones
        service/test_sockets.py::test_row_12_connection_beyond_the_cap_is_told_503
        service/test_sockets.py::test_row_12_places_are_free_again_when_connections_close
        service/test_tls.py::test_row_12_tls_handshake_that_never_comes_is_closed
    """),
    13: ("smuggling and broken headers", f"""{SOCKET}
        service/test_threats.py::test_row_13_connection_is_closed_after_a_request_that_cannot_be_trusted
    """),
    14: ("telling users from strangers by time", """
        service/test_auth.py::test_row_14_unknown_user_takes_as_long_as_a_wrong_password
    """),
    15: ("floods of passwords, a poisoned cache", """
        service/test_auth.py::test_row_15_flood_of_passwords_is_429_and_who_is_known_still_gets_in
        service/test_auth.py::test_row_15_hashing_does_not_hold_the_loop
        service/test_auth.py::test_p13_poisoning_the_cache_lets_nobody_in
    """),
    16: ("pages of others in a user's browser", f"""{SOCKET}
        service/test_threats.py::test_row_16_our_own_names_are_let_in
        service/test_threats.py::test_row_16_own_page_may_change_things
    """),
    17: ("paths that lead out", f"""{KIT} {ROUTES}::test_row_17_no_way_leads_out
        service/test_threats.py::test_row_17_good_file_is_served
        service/test_fuzz.py::test_path_that_passes_has_no_way_up
    """),
    18: ("ranges that are none, or endless", f"""{KIT}
        service/test_threats.py::test_row_18_range_within_bounds_is_answered
        {ROUTES}::test_row_18_no_argument_is_our_fault
        {ROUTES}::test_row_18_times_that_are_none_are_400
    """),
    19: ("PromQL in a label's value", """
        analyzer/test_promql.py::test_what_is_quoted_is_read_back
        analyzer/test_promql.py::test_an_injected_value_stays_inside_its_quotes
        analyzer/explain/test_safe.py::test_promql_strings_are_escaped
    """),
    20: ("expressions that never end", """
        analyzer/test_signals.py::test_matchers_that_are_none_are_refused
        threats/test_row_20_expressions_without_end.py::test_row_20_a_matcher_takes_no_time_whatever_its_pattern
        threats/test_row_20_expressions_without_end.py::test_row_20_a_window_takes_no_time_whatever_its_pattern
    """),
    22: ("streams that are never read", """
        service/test_streams.py::test_row_22_slow_reader_loses_the_oldest_and_is_disconnected
    """),
    23: ("streams too many, frames too large", f"""{KIT}
        service/test_streams.py::test_row_23_client_beyond_the_cap_is_503
        service/test_streams.py::test_row_23_frame_too_large_closes_with_1009
    """),
    24: ("notifications again, and in any order", """
        analyzer/api/test_webhook.py::test_any_order_of_notifications_ends_the_same
        analyzer/api/test_webhook.py::test_a_repeated_notification_changes_nothing
        analyzer/test_store.py::test_row_24_a_replayed_notification_is_stored_once
        analyzer/test_inbox.py::test_a_firing_that_comes_after_its_end_raises_no_companion
    """),
    25: ("10,000 alerts at once", """
        analyzer/api/test_webhook.py::test_ten_thousand_alerts_are_taken_or_postponed_and_never_refused
        analyzer/api/test_webhook.py::test_a_slow_disk_is_a_503_within_the_second
        analyzer/test_store.py::test_row_25_ten_thousand_alerts_are_stored_within_a_second_of_work
    """),
    26: ("times of year 1 and year 9999", """
        analyzer/api/test_webhook.py::test_a_strange_alert_is_mended_and_kept
        analyzer/api/test_webhook.py::test_an_end_in_year_one_means_that_it_still_fires
        analyzer/api/test_webhook.py::test_a_start_that_cannot_be_is_the_same_at_each_repetition
        service/test_app.py::test_time_that_no_calendar_has_is_the_nearest_that_it_has
    """),
    27: ("names that mention, link, colour or turn around", """
        analyzer/sinks/test_alertmanager.py::test_row_27_nothing_in_an_alert_can_mention_link_or_redraw
        analyzer/explain/test_safe.py::test_hostile_hostname_is_only_text
    """),
    30: ("answers of Prometheus that are none, endless or half", """
        analyzer/sources/test_prometheus_replies.py::test_what_is_no_answer_is_a_source_error
        analyzer/sources/test_prometheus_replies.py::test_an_answer_beyond_the_cap_is_refused_while_it_comes
        analyzer/sources/test_prometheus_replies.py::test_a_million_series_are_cut_to_the_cap_and_said_to_be
        analyzer/sources/test_prometheus_replies.py::test_warnings_make_a_window_partial
        analyzer/sources/test_prometheus_replies.py::test_a_hanging_server_costs_two_timeouts_at_most
        analyzer/sources/test_decode.py::test_no_bytes_can_hurt
        promises/test_p8_no_data_is_not_healthy_and_no_anomaly.py::test_nothing_opens_or_ends_while_it_lasts
    """),
    31: ("samples of every kind: a finite score or none", """
        threats/test_row_31_samples.py::test_any_samples_give_finite_scores_or_none
        analyzer/test_bad_input.py::test_the_cycle_takes_any_samples_at_any_times
        analyzer/test_bad_input.py::test_nonsense_pages_nobody_unless_nothing_else_comes_any_more
        analyzer/test_bad_input.py::test_any_history_is_learned_from
        threats/test_row_31_samples.py::test_an_hour_of_nonsense_does_not_change_what_is_usual
        threats/test_row_31_samples.py::test_repeated_and_unsorted_times_change_nothing
        analyzer/detect/test_engine.py::test_any_input_gets_a_finite_score_or_none
        analyzer/test_evaluate.py::test_whatever_the_samples_values_are_finite_or_none
        analyzer/test_forecast.py::test_any_input_gives_numbers_or_none
        analyzer/detect/test_offline.py::test_odd_columns_give_finite_answers
        analyzer/detect/test_replay.py::test_odd_values_get_finite_scores
        analyzer/test_findings.py::test_row_31_no_value_raises
        analyzer/sources/test_prometheus_replies.py::test_unsorted_doubled_and_stray_points_find_their_place
    """),
    32: ("series without end: capped, evicted, counted", """
        analyzer/detect/test_room.py::test_series_silent_for_hours_make_room_for_new_ones
        analyzer/detect/test_room.py::test_series_that_were_there_a_while_ago_are_not_pushed_out
        analyzer/test_bad_input.py::test_series_that_come_and_go_by_the_thousand_stay_within_the_bound
        threats/test_row_32_churn.py::test_series_that_come_and_go_stay_within_the_cap_and_drop_out_of_metrics
        analyzer/sources/test_prometheus_replies.py::test_known_series_are_not_pushed_out_by_new_ones
        analyzer/sources/test_prometheus_replies.py::test_series_that_went_make_room
        analyzer/sources/test_embedded.py::test_churned_series_make_room_for_new_ones
        analyzer/detect/test_engine.py::test_gone_series_are_forgotten
        analyzer/detect/test_engine.py::test_no_more_series_than_there_is_room_for
        analyzer/test_derived.py::test_series_over_the_cap_are_refused_and_counted_and_no_series_is_half_written
    """),
    33: ("names and values that break a page", f"""
        exporter/test_render.py::test_any_label_value_reads_back_equal
        exporter/test_render.py::test_label_name_that_the_format_forbids_is_refused
        exporter/test_render.py::test_metric_name_that_the_format_forbids_is_refused
        exporter/test_render.py::test_promtool_reads_awkward_values
        analyzer/test_derived.py::test_the_text_escapes_label_values
        analyzer/test_derived.py::test_promtool_takes_the_text
        service/test_metrics.py::test_format_is_negotiated_and_always_said
        {ROUTES}::test_row_6_and_33_the_page_is_clean_afterwards
    """),
    34: ("label sets that Prometheus refuses for ever", """
        analyzer/sinks/test_remote_write.py::test_row_34_a_duplicate_label_never_leaves
        analyzer/test_derived.py::test_label_sets_that_cannot_be_written_are_named
        analyzer/test_derived.py::test_bad_series_are_dropped_and_counted_by_reason_and_good_ones_written
    """),
    35: ("answers to a write: 409, 413, Retry-After, redirects, endless ones", """
        analyzer/sinks/test_remote_write.py::test_row_35_other_refusals_cost_one_request_and_are_counted
        analyzer/sinks/test_remote_write.py::test_too_large_a_request_is_split
        analyzer/sinks/test_remote_write.py::test_retry_after_is_honoured_within_a_minute
        analyzer/sinks/test_remote_write.py::test_redirects_are_refused_and_named
        analyzer/sinks/test_remote_write.py::test_an_endless_error_body_is_read_no_further_than_256_bytes
    """),
    36: ("Alertmanager refuses one of many", """
        analyzer/sinks/test_alertmanager.py::test_row_36_one_bad_alert_does_not_cost_its_siblings_and_is_mended
        analyzer/sinks/test_alertmanager.py::test_row_36_an_alert_that_is_refused_in_every_form_is_set_aside
        analyzer/sinks/test_alertmanager.py::test_row_36_a_bad_sibling_costs_nobody_else
    """),
    37: ("configurations that explode, execute or are misspelt", """
        analyzer/test_main.py::test_row_37_a_bad_configuration_ends_with_2_and_names_the_place
        analyzer/test_config.py::test_a_mistake_is_named_with_its_line
        analyzer/test_main.py::test_a_bad_reload_keeps_the_old_one_at_work_and_says_so
        promises/test_p10_p13_p14_both_services.py::test_a_bad_configuration_keeps_the_old_one_and_says_where_it_is_wrong
        service/test_webconfig.py::test_alias_bomb_is_refused_and_a_plain_alias_is_read
        service/test_fuzz.py::test_any_text_is_yaml_or_a_config_error
    """),
    38: ("state that is cut, flipped, foreign or newer", """
        analyzer/test_snapshot.py::test_row_38_every_flipped_byte_is_noticed
        analyzer/test_snapshot.py::test_row_38_every_truncation_is_noticed
        analyzer/test_snapshot.py::test_row_38_pickles_are_refused_even_with_a_right_checksum
        analyzer/test_snapshot.py::test_row_38_a_huge_shape_is_refused_before_memory_is_taken
        analyzer/test_snapshot.py::test_row_38_headers_that_lie_are_refused
        analyzer/test_snapshot.py::test_row_38_an_archive_that_unpacks_to_more_than_the_bound_is_refused
        analyzer/test_snapshot.py::test_row_38_a_newer_schema_is_refused_by_name
        analyzer/test_snapshot.py::test_row_38_what_is_no_archive_of_ours_is_refused
        analyzer/test_resume.py::test_row_38_a_snapshot_that_cannot_be_used_means_learning_anew
        analyzer/test_resume.py::test_row_38_half_a_state_leaves_neither_part_of_the_detectors_restored
        analyzer/test_store.py::test_a_damaged_file_is_set_aside_and_a_fresh_one_begun
        analyzer/test_store.py::test_a_newer_schema_is_set_aside_not_guessed
    """),
    44: ("secrets and forged lines in logs", """
        service/test_logs.py::test_row_44_input_cannot_start_a_line_or_colour_a_terminal
        service/test_logs.py::test_row_44_secret_in_words_is_cut_out
        service/test_logs.py::test_row_44_secret_by_its_key_is_cut_out
        service/test_auth.py::test_row_44_no_secret_reaches_the_log
    """),
    45: ("clocks that are set, machines that slept", """
        threats/test_row_45_clocks.py::test_a_jump_of_our_own_clock_moves_no_evaluation_time_and_is_told_once
        threats/test_row_45_clocks.py::test_a_source_set_ahead_two_hours_makes_no_burst_and_no_page
        threats/test_row_45_clocks.py::test_a_source_set_back_two_hours_goes_on_from_there
        threats/test_row_45_clocks.py::test_an_open_incident_stays_the_same_over_a_jump_of_the_source
        threats/test_row_45_clocks.py::test_a_suspended_machine_catches_up_once
        service/test_schedule.py::test_row_45_wall_clock_set_ahead_two_hours_makes_no_burst
        service/test_schedule.py::test_row_45_wall_clock_set_back_two_hours_makes_no_pause
        service/test_schedule.py::test_row_45_clock_set_while_it_sleeps_makes_no_burst
        analyzer/test_findings.py::test_row_45_a_clock_that_goes_back_two_hours_opens_and_ends_nothing
        analyzer/test_findings.py::test_row_45_a_long_pause_does_not_count_as_time_held
        analyzer/sinks/test_alertmanager.py::test_row_45_a_jump_of_our_wall_clock_resolves_nothing_and_still_resolves_in_the_end
    """),
    46: ("no auth where others can reach it", """
        threats/test_row_46_open_to_all.py::test_every_route_that_changes_something_is_403
        threats/test_row_46_open_to_all.py::test_the_start_warns_once
        threats/test_row_46_open_to_all.py::test_strangers_see_no_processes_services_or_logs
        threats/test_row_46_open_to_all.py::test_a_fresh_start_listens_on_loopback_only
        service/test_auth.py::test_row_46_change_without_auth_beyond_loopback_is_403_and_start_warns
        service/test_auth.py::test_row_46_change_on_loopback_needs_no_auth
        service/test_auth.py::test_row_46_change_beyond_loopback_with_auth_is_let_in
        exporter/fleet/test_web.py::test_nobody_changes_an_open_fleet_without_auth
    """),
}  # fmt: skip

WANTED = {*(f"P{n}" for n in (1, 2, 3, 4, 5, 6, 8, 9, 10, 13, 14)), *range(1, 19), *range(24, 27), *range(30, 39), 45, 46}
LISTED = {name: set(nodes.split()) for name, (_, nodes) in {**PROMISES, **ROWS}.items()}


@cache
def functions(file):
    """Names of the tests of a file, those of classes included -> whether they are skipped."""
    tree = ast.parse((TESTS / file).read_text())
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name.startswith("test_")]
    return {f.name: any("skip" in ast.unparse(d) or "xfail" in ast.unparse(d) for d in f.decorator_list) for f in found}


@pytest.mark.parametrize("name", sorted(WANTED, key=str))
def test_what_is_promised_is_shown(name):
    assert LISTED.get(name)


@pytest.mark.parametrize("name", LISTED)
def test_tests_that_show_it_exist_and_run(name):
    for node in LISTED[name]:
        file, _, function = node.partition("::")
        assert functions(file).get(function) is False, node


def test_a_test_is_named_after_a_promise_that_exists():
    named = {match for file in TESTS.rglob("test_*.py") for match in re.findall(r"def test_(p|row_)(\d+)_", file.read_text())}
    assert {f"P{number}" if kind == "p" else int(number) for kind, number in named} <= set(LISTED)
