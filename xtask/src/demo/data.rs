//! The digits, and how they are spread over hospitals that see different cases.

use std::io::Read as _;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;

use super::random::Random;

/// One image with its label.
#[derive(Clone)]
pub(super) struct Example {
    /// 64 pixels from 0 to 1.
    pub(super) pixels: Vec<f64>,
    /// 0 to 9.
    pub(super) digit: usize,
}

/// What each hospital has, and what nobody trains on.
pub(super) struct Split {
    pub(super) hospitals: Vec<Vec<Example>>,
    pub(super) held_out: Vec<Example>,
}

/// Reads the data and spreads it over `hospitals`. Each fifth image is held out. Of the
/// rest, most go by their digit, so that a hospital sees mainly two or three kinds,
/// in unequal numbers; the others go anywhere.
pub(super) fn split(hospitals: usize) -> Result<Split> {
    let mut examples = read()?;
    let mut random = Random::new(SEED);
    random.shuffle(&mut examples);
    let training = examples.split_off(examples.len() / 5);
    let (mut by_digit, anywhere): (Vec<_>, Vec<_>) = training
        .into_iter()
        .partition(|_| random.below(100) < PERCENT_BY_DIGIT);
    by_digit.sort_by_key(|example| example.digit);
    let mut split = vec![Vec::new(); hospitals];
    // Two runs of digits for each hospital, of unequal lengths.
    let mut owners: Vec<usize> = (0..hospitals * 2).map(|run| run % hospitals).collect();
    random.shuffle(&mut owners);
    let shares: Vec<usize> = owners.iter().map(|_| 2 + random.below(5)).collect();
    let total: usize = shares.iter().sum();
    let (mut start, mut taken) = (0, 0);
    for (owner, share) in owners.iter().zip(&shares) {
        taken += share;
        let end = by_digit.len() * taken / total;
        split[*owner].extend_from_slice(&by_digit[start..end]);
        start = end;
    }
    for example in anywhere {
        split[random.below(hospitals)].push(example);
    }
    ensure!(
        split.iter().all(|hospital| hospital.len() >= 2),
        "{hospitals} hospitals are too many for {} images",
        by_digit.len()
    );
    Ok(Split {
        hospitals: split,
        held_out: examples,
    })
}

fn read() -> Result<Vec<Example>> {
    let mut text = String::new();
    GzDecoder::new(DIGITS)
        .read_to_string(&mut text)
        .context("xtask/data/digits.csv.gz")?;
    text.lines().map(example).collect()
}

fn example(line: &str) -> Result<Example> {
    let numbers: Vec<f64> = line
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("not a line of digits.csv.gz: {line}"))?;
    let (digit, pixels) = numbers
        .split_last()
        .context("an empty line of digits.csv.gz")?;
    ensure!(
        pixels.len() == 64 && *digit < 10.0,
        "not 64 pixels and a digit: {line}"
    );
    Ok(Example {
        pixels: pixels.iter().map(|pixel| pixel / 16.0).collect(),
        digit: *digit as usize,
    })
}

const DIGITS: &[u8] = include_bytes!("../../data/digits.csv.gz");
const SEED: u64 = 0x5ea1;
const PERCENT_BY_DIGIT: usize = 70;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_with_one_hospital_or_held_out() {
        for hospitals in [4, 10, 25] {
            let split = split(hospitals).expect("a split");
            let with_hospitals: usize = split.hospitals.iter().map(Vec::len).sum();
            assert_eq!(with_hospitals + split.held_out.len(), 1797);
            assert_eq!(split.held_out.len(), 359);
        }
    }

    #[test]
    fn no_hospital_sees_all_digits_alike() {
        for hospital in split(10).expect("a split").hospitals {
            let mut seen = [0; 10];
            hospital.iter().for_each(|example| seen[example.digit] += 1);
            let most: usize = *seen.iter().max().expect("ten digits");
            assert!(most * 10 > hospital.len() * 2, "{seen:?}");
        }
    }
}
