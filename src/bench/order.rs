//! In which order the arms of a session run: balanced, shuffled, and repeatable from its seed.
//!
//! Each pair runs both arms, one after the other. Half of the pairs begin with one arm, half with the
//! other, so that a machine that grows slower or faster during the session hits both alike. The
//! generator is a named, portable one: the same seed gives the same order in every version.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the two settings that are compared.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The setting things are compared with.
    Before,
    /// The setting in question.
    After,
}

impl Arm {
    /// The arm as artifacts and summaries name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

impl std::fmt::Display for Arm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The arms of each pair, in the order they run; balanced in each block of so many pairs, so that a
/// session which ends after a block is balanced too.
#[must_use]
pub fn balanced(blocks: &[u32], seed: u64) -> Vec<[Arm; 2]> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    blocks
        .iter()
        .flat_map(|pairs| block(*pairs, &mut random))
        .collect()
}

fn block(pairs: u32, random: &mut Xoshiro256PlusPlus) -> Vec<[Arm; 2]> {
    let one = [Arm::Before, Arm::After];
    let other = [Arm::After, Arm::Before];
    let mut order: Vec<[Arm; 2]> = (0..pairs)
        .map(|pair| if pair % 2 == 0 { one } else { other })
        .collect();
    // an odd pair out begins with either
    if pairs % 2 == 1
        && random.random::<bool>()
        && let Some(last) = order.last_mut()
    {
        *last = other;
    }
    order.shuffle(random);
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn beginning_with_before(order: &[[Arm; 2]]) -> usize {
        order.iter().filter(|pair| pair[0] == Arm::Before).count()
    }

    #[test]
    fn a_seed_always_gives_the_same_order() {
        let words: Vec<String> = balanced(&[6], 7)
            .iter()
            .map(|[a, b]| format!("{a} {b}"))
            .collect();
        insta::assert_debug_snapshot!(words, @r#"
        [
            "before after",
            "after before",
            "after before",
            "before after",
            "before after",
            "after before",
        ]
        "#);
    }

    #[test]
    fn either_arm_may_begin_a_single_pair() {
        let begins = |arm| (0..50).any(|seed| balanced(&[1], seed)[0][0] == arm);
        assert!(begins(Arm::Before) && begins(Arm::After));
    }

    proptest! {
        #[test]
        fn every_block_is_balanced(blocks in prop::collection::vec(0u32..12, 1..4), seed: u64) {
            let mut order = balanced(&blocks, seed);
            for pairs in &blocks {
                let block: Vec<_> = order.drain(..*pairs as usize).collect();
                let before = beginning_with_before(&block);
                prop_assert!(before.abs_diff(block.len() - before) <= 1);
            }
            prop_assert!(order.is_empty());
        }

        #[test]
        fn both_arms_begin_equally_often(pairs in 0u32..60, seed: u64) {
            let order = balanced(&[pairs], seed);
            prop_assert_eq!(order.len(), pairs as usize);
            let before = beginning_with_before(&order);
            prop_assert!(before.abs_diff(order.len() - before) <= 1);
            prop_assert!(order.iter().all(|[a, b]| a != b));
        }
    }
}
