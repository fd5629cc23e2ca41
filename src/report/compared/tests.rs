//! The comparison of two small sessions, in every form.

use std::collections::BTreeSet;

use super::*;
use crate::bench::artifact::Artifact;
use crate::bench::compared::Side;
use crate::bench::examples::session_of;
use crate::bench::order::Arm;
use crate::bench::rules::Rules;
use crate::report::Paper;
use crate::telemetry::histogram::{Histograms, encode, record};

fn between(before: &Artifact, after: &Artifact) -> Compared {
    let side = |session| Side {
        session,
        arm: Arm::After,
    };
    Compared::between(
        side(before),
        side(after),
        &Rules::at(0.02),
        &BTreeSet::new(),
    )
    .unwrap()
}

/// Two sessions of five, the second with a label that Markdown would misread; chunks of 80 to 200 ms.
fn example() -> Compared {
    let mut before = session_of(&[2.0, 2.02, 2.01, 2.03, 1.99], &[2.0, 2.05, 2.01, 2.2, 2.0]);
    let mut after = session_of(&[2.0, 2.02, 2.01, 2.03, 1.99], &[1.6, 1.61, 1.62, 1.6, 1.6]);
    before.id = "aaaa0001".into();
    after.id = "bbbb0002".into();
    after.label = Some("a|b <i>".into());
    for (session, slowest) in [(&mut before, 200), (&mut after, 120)] {
        for iteration in &mut session.iterations {
            let mut histograms = Histograms::default();
            for milliseconds in (80..slowest).step_by(5) {
                record(
                    &mut histograms.chunk,
                    std::time::Duration::from_millis(milliseconds),
                );
            }
            let text = encode(&histograms.chunk).unwrap();
            iteration.hdr.insert("chunk_us".into(), text);
        }
    }
    between(&before, &after)
}

#[test]
fn a_comparison_reads_at_a_glance() {
    insta::assert_snapshot!(text(&example(), Paper::PLAIN), @r#"
    before  aaaa0001 after: medium, rb-bench 0.1.0 release, 2026-11-23 20:27, resources.parallelism=auto
    after   bbbb0002 after "a|b <i>": medium, rb-bench 0.1.0 release, 2026-11-23 20:27, resources.parallelism=auto
    unpaired: drift between the two sessions is not controlled

    IMPROVED  throughput +25.6 % (95 % CI +24.1 .. +37.5), 5 + 5 iterations, threshold 2 %

                                            BEFORE                      AFTER     CHANGE, % (95 % CI)
     wall time               2.01 s (2.00 .. 2.20)      1.60 s (1.60 .. 1.62)  -20.4 (-27.3 .. -19.4)
     throughput           94.5 MB/s (86.4 .. 95.0)      119 MB/s (117 .. 119)  +25.6 (+24.1 .. +37.5)
     CPU, all             15.5 s/GB (15.5 .. 15.5)   15.5 s/GB (15.5 .. 15.5)        0.0 (0.0 .. 0.0)
     CPU, rb-bench        1.32 s/GB (1.32 .. 1.32)   1.32 s/GB (1.32 .. 1.32)        0.0 (0.0 .. 0.0)
     CPU, source          4.21 s/GB (4.21 .. 4.21)   4.21 s/GB (4.21 .. 4.21)        0.0 (0.0 .. 0.0)
     CPU, destination     10.0 s/GB (10.0 .. 10.0)   10.0 s/GB (10.0 .. 10.0)        0.0 (0.0 .. 0.0)
     cores busy, host    1.70 cores (1.70 .. 1.70)  1.70 cores (1.70 .. 1.70)        0.0 (0.0 .. 0.0)
     peak memory            21.0 MB (21.0 .. 21.0)     21.0 MB (21.0 .. 21.0)        0.0 (0.0 .. 0.0)
     WAL for each byte         1.05 (1.05 .. 1.05)        1.05 (1.05 .. 1.05)        0.0 (0.0 .. 0.0)
     rows, least / most        1.00 (1.00 .. 1.00)        1.00 (1.00 .. 1.00)        0.0 (0.0 .. 0.0)
     chunk p50                 135 ms (135 .. 135)     95.0 ms (95.0 .. 95.0)  -29.6 (-29.6 .. -29.6)
     chunk p99                 195 ms (195 .. 195)        115 ms (115 .. 115)  -41.0 (-41.0 .. -41.0)
     committing             20.1 ms (20.0 .. 22.0)     16.0 ms (16.0 .. 16.2)  -20.4 (-27.3 .. -19.4)

    wall time of every iteration
      before                                                 2 ●   ●                 ●
      after   3●●
              1.60 s                                                            2.20 s

     LATENCY           VALUES      P50     P90     P99   P99.9     MAX
     chunk_us  before     120   135 ms  185 ms  195 ms  195 ms  195 ms
     chunk_us  after       40  95.0 ms  115 ms  115 ms  115 ms  115 ms

                                  before       chunk_us       after
                             ███████████  80.0 ms .. 86.2 ms  ██████████████████████████████████
                                  ██████  86.2 ms .. 92.8 ms  █████████████████
                                  ██████  92.8 ms .. 100 ms   █████████████████
                             ███████████   100 ms .. 108 ms   ██████████████████████████████████
                             ███████████   108 ms .. 116 ms   ██████████████████████████████████
                                  ██████   116 ms .. 125 ms
                             ███████████   125 ms .. 135 ms
                             ███████████   135 ms .. 145 ms
                       █████████████████   145 ms .. 156 ms
                             ███████████   156 ms .. 168 ms
                       █████████████████   168 ms .. 181 ms
                       █████████████████   181 ms .. 195 ms

    parallelism
      before  2 (auto): 2 cores, cap 2; 1 eligible stream x 2 shards = 2; no transforms; effective 2
      after   2 (auto): 2 cores, cap 2; 1 eligible stream x 2 shards = 2; no transforms; effective 2
    "#);
}

#[test]
fn what_may_not_be_compared_says_why_and_how_to_do_it_all_the_same() {
    let before = session_of(&[2.0; 4], &[2.0; 4]);
    let mut after = before.clone();
    after.host.cores = 4;
    after.host.kernel = None;
    after.tool.build = "debug".into();
    let compared = between(&before, &after);
    insta::assert_snapshot!(text(&compared, Paper::PLAIN), @"
    before  0f3a9c21 after: medium, rb-bench 0.1.0 release, 2026-11-23 20:27, resources.parallelism=auto
    after   0f3a9c21 after: medium, rb-bench 0.1.0 debug, 2026-11-23 20:27, resources.parallelism=auto
    unpaired: drift between the two sessions is not controlled

    NOT COMPARABLE
      host: cores 2 -> 4
      host: kernel 6.1 -> unknown
      build: build release -> debug
    to compare them all the same: --allow host --allow build
    ");
    insta::assert_snapshot!(markdown(&compared), @"
    **NOT COMPARABLE**

    - host: cores 2 -> 4
    - host: kernel 6.1 -> unknown
    - build: build release -> debug

    To compare them all the same: `--allow host --allow build`

    - before: 0f3a9c21 after: medium, rb-bench 0.1.0 release, 2026-11-23 20:27, resources.parallelism=auto
    - after: 0f3a9c21 after: medium, rb-bench 0.1.0 debug, 2026-11-23 20:27, resources.parallelism=auto
    - unpaired: drift between the two sessions is not controlled
    ");
}

#[test]
fn a_comparison_is_markdown_that_a_label_cannot_break() {
    insta::assert_snapshot!(markdown(&example()), @r#"
    **IMPROVED**  throughput +25.6 % (95 % CI +24.1 .. +37.5), 5 + 5 iterations, threshold 2 %

    - before: aaaa0001 after: medium, rb-bench 0.1.0 release, 2026-11-23 20:27, resources.parallelism=auto
    - after: bbbb0002 after "a\|b &lt;i>": medium, rb-bench 0.1.0 release, 2026-11-23 20:27, resources.parallelism=auto
    - unpaired: drift between the two sessions is not controlled

    | | before | after | change, % (95 % CI) |
    | --- | ---: | ---: | ---: |
    | wall time | 2.01 s (2.00 .. 2.20) | 1.60 s (1.60 .. 1.62) | -20.4 (-27.3 .. -19.4) |
    | throughput | 94.5 MB/s (86.4 .. 95.0) | 119 MB/s (117 .. 119) | +25.6 (+24.1 .. +37.5) |
    | CPU, all | 15.5 s/GB (15.5 .. 15.5) | 15.5 s/GB (15.5 .. 15.5) | 0.0 (0.0 .. 0.0) |
    | CPU, rb-bench | 1.32 s/GB (1.32 .. 1.32) | 1.32 s/GB (1.32 .. 1.32) | 0.0 (0.0 .. 0.0) |
    | CPU, source | 4.21 s/GB (4.21 .. 4.21) | 4.21 s/GB (4.21 .. 4.21) | 0.0 (0.0 .. 0.0) |
    | CPU, destination | 10.0 s/GB (10.0 .. 10.0) | 10.0 s/GB (10.0 .. 10.0) | 0.0 (0.0 .. 0.0) |
    | cores busy, host | 1.70 cores (1.70 .. 1.70) | 1.70 cores (1.70 .. 1.70) | 0.0 (0.0 .. 0.0) |
    | peak memory | 21.0 MB (21.0 .. 21.0) | 21.0 MB (21.0 .. 21.0) | 0.0 (0.0 .. 0.0) |
    | WAL for each byte | 1.05 (1.05 .. 1.05) | 1.05 (1.05 .. 1.05) | 0.0 (0.0 .. 0.0) |
    | rows, least / most | 1.00 (1.00 .. 1.00) | 1.00 (1.00 .. 1.00) | 0.0 (0.0 .. 0.0) |
    | chunk p50 | 135 ms (135 .. 135) | 95.0 ms (95.0 .. 95.0) | -29.6 (-29.6 .. -29.6) |
    | chunk p99 | 195 ms (195 .. 195) | 115 ms (115 .. 115) | -41.0 (-41.0 .. -41.0) |
    | committing | 20.1 ms (20.0 .. 22.0) | 16.0 ms (16.0 .. 16.2) | -20.4 (-27.3 .. -19.4) |

    | latency | side | values | p50 | p90 | p99 | p99.9 | max |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
    | `chunk_us` | before | 120 | 135 ms | 185 ms | 195 ms | 195 ms | 195 ms |
    | `chunk_us` | after | 40 | 95.0 ms | 115 ms | 115 ms | 115 ms | 115 ms |

    Workers before: 2 (auto): 2 cores, cap 2; 1 eligible stream x 2 shards = 2; no transforms; effective 2

    Workers after: 2 (auto): 2 cores, cap 2; 1 eligible stream x 2 shards = 2; no transforms; effective 2
    "#);
}

#[test]
fn a_comparison_is_csv() {
    insta::assert_snapshot!(csv(&example()).unwrap(), @r#"
    measure,unit,before,before_min,before_max,after,after_min,after_max,ratio,ci_low,ci_high
    wall time,s,2.01,2,2.2,1.6,1.6,1.62,0.7960199004975127,0.7272727272727273,0.8059701492537316
    throughput,MB/s,94.52736318407962,86.36363636363636,95,118.75,117.28395061728395,118.75,1.2562499999999992,1.2407407407407403,1.3749999999999998
    "CPU, all",s/GB,15.526315789473685,15.526315789473685,15.526315789473685,15.526315789473685,15.526315789473685,15.526315789473685,1,1,1
    "CPU, rb-bench",s/GB,1.3157894736842106,1.3157894736842106,1.3157894736842106,1.3157894736842106,1.3157894736842106,1.3157894736842106,1,1,1
    "CPU, source",s/GB,4.2105263157894735,4.2105263157894735,4.2105263157894735,4.2105263157894735,4.2105263157894735,4.2105263157894735,1,1,1
    "CPU, destination",s/GB,10,10,10,10,10,10,1,1,1
    "cores busy, host",cores,1.7000000000000002,1.7000000000000002,1.7000000000000002,1.7000000000000002,1.7000000000000002,1.7000000000000002,1,1,1
    peak memory,B,21000000,21000000,21000000,21000000,21000000,21000000,1,1,1
    WAL for each byte,1,1.0526315789473684,1.0526315789473684,1.0526315789473684,1.0526315789473684,1.0526315789473684,1.0526315789473684,1,1,1
    "rows, least / most",1,1,1,1,1,1,1,1,1,1
    chunk p50,us,135039,135039,135039,95039,95039,95039,0.7037892756907257,0.7037892756907257,0.7037892756907257
    chunk p99,us,195071,195071,195071,115007,115007,115007,0.5895648251149587,0.5895648251149587,0.5895648251149587
    committing,s,0.020099999999999996,0.02,0.022000000000000002,0.016,0.016,0.016200000000000003,0.7960199004975123,0.7272727272727271,0.8059701492537317
    verdict duration_s,IMPROVED,,,,,,,1.2562499999999996,1.2407407407407405,1.375
    "#);
}

#[test]
fn what_was_computed_is_told_in_words() {
    let unpaired = explain(&example());
    assert!(
        unpaired.contains("Mann-Whitney") && unpaired.contains("4 + 4"),
        "{unpaired}"
    );
    let paired = Compared::within(&session_of(&[2.0; 6], &[1.0; 6]), &Rules::at(0.02)).unwrap();
    let paired = explain(&paired);
    assert!(
        paired.contains("Wilcoxon") && paired.contains("6 pairs"),
        "{paired}"
    );
}

#[test]
fn a_narrow_terminal_is_not_overrun() {
    let narrow = Paper {
        width: 60,
        colour: false,
    };
    let compared = example();
    for line in picture::mirrored(&compared.distributions[0], 60).lines() {
        assert!(line.chars().count() <= 60, "{line}");
    }
    for line in picture::dots(&compared.before.durations_s, &[1.0], 60).lines() {
        assert!(line.chars().count() <= 60, "{line}");
    }
    assert!(text(&compared, narrow).contains("IMPROVED"));
}
