//! What was computed and how, in words, for who does not know the tests by name.

use crate::bench::compared::Compared;
use crate::bench::conditions::Condition;

/// How the verdict came about.
#[must_use]
pub fn explain(compared: &Compared) -> String {
    let threshold = compared.threshold_pct;
    let mut parts: Vec<String> = Vec::new();
    if compared.paired {
        parts.push(
            "Both arms ran in one session, in pairs, in shuffled order, so that what drifts hits both alike. Each pair gives \
             one value, ln(before / after)."
                .into(),
        );
        parts.push(
            "The estimate is the Hodges-Lehmann median of the averages of all values with each other. Its interval comes \
             from inverting the exact Wilcoxon signed-rank test, with ties and zeroes kept: it assumes that the values lie \
             evenly around their middle, and no normal distribution. Below 6 pairs no such interval reaches 95 %, and no \
             verdict is given."
                .into(),
        );
    } else {
        let conditions = Condition::ALL.map(Condition::name).join(", ");
        parts.push(format!(
            "The arms are of two sessions. They may be compared only where nothing else differs; checked were: {conditions}. \
             What cannot be checked, such as how busy the machine was on either day, is not controlled."
        ));
        parts.push(
            "The estimate is the Hodges-Lehmann shift: the median of the differences of all logarithms of one side from all of \
             the other. Its interval comes from inverting the exact Mann-Whitney rank-sum test: it assumes that both sides have \
             distributions of one shape, and no normal one. Below 4 + 4 iterations (3 + 6, 2 + 8) no such interval \
             reaches 95 %, and no verdict is given."
                .into(),
        );
    }
    let gates = compared.verdicts.len();
    if gates > 1 {
        parts.push(format!(
            "{gates} metrics get a verdict. So that all of them together are wrong at most 5 % of the time, each interval is at \
             5 % / {gates} (Bonferroni)."
        ));
    }
    parts.push(format!(
        "Taking the exponential makes it a ratio, so that time and throughput always agree. IMPROVED or REGRESSED: the whole \
         interval lies past {threshold:.1} %. EQUIVALENT: all of it lies within. INCONCLUSIVE: neither, which is not the same as \
         no change."
    ));
    parts.push(
        "The table of figures shows medians with their ranges; its changes are estimated in the same way at 95 % each, are \
         not corrected for their number, and are no verdicts. Percentiles and histograms are of all values of a side's counted \
         iterations. Warm-ups and iterations whose rows did not arrive are in none of it."
            .into(),
    );
    parts.join("\n\n")
}
