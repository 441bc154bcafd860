//! The classifier: softmax regression, 64 pixels and a bias for each of 10 digits.

use super::data::Example;
use super::random::Random;

/// 650 weights: for each digit 64 pixels, then the bias.
#[derive(Clone)]
pub(super) struct Model(pub(super) Vec<f64>);

impl Model {
    pub(super) fn untrained() -> Self {
        Self(vec![0.0; DIMENSION])
    }

    /// This model moved by `update`.
    pub(super) fn moved(&self, update: &[f64]) -> Self {
        Self(self.0.iter().zip(update).map(|(a, b)| a + b).collect())
    }

    /// Some passes of stochastic gradient descent over one hospital's images. Returns how
    /// far the weights moved, none by more than `clip`.
    pub(super) fn train(&self, examples: &[Example], seed: u64, clip: f64) -> Vec<f64> {
        let mut model = self.clone();
        let mut order: Vec<usize> = (0..examples.len()).collect();
        let mut random = Random::new(seed);
        for _ in 0..LOCAL_PASSES {
            random.shuffle(&mut order);
            for place in &order {
                model.step(&examples[*place]);
            }
        }
        let moved = model
            .0
            .iter()
            .zip(&self.0)
            .map(|(after, before)| after - before);
        moved.map(|moved| moved.clamp(-clip, clip)).collect()
    }

    fn step(&mut self, example: &Example) {
        let probabilities = self.probabilities(example);
        for (digit, weights) in self.0.chunks_mut(WIDTH).enumerate() {
            let wanted = f64::from(u8::from(digit == example.digit));
            let slope = LEARNING_RATE * (wanted - probabilities[digit]);
            if let Some((bias, weights)) = weights.split_last_mut() {
                *bias += slope;
                for (weight, pixel) in weights.iter_mut().zip(&example.pixels) {
                    *weight += slope * pixel;
                }
            }
        }
    }

    fn probabilities(&self, example: &Example) -> Vec<f64> {
        let scores = self.scores(example);
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.iter().map(|power| power / sum).collect()
    }

    fn scores(&self, example: &Example) -> Vec<f64> {
        let inputs = || example.pixels.iter().chain(&[1.0]);
        let score = |weights: &[f64]| weights.iter().zip(inputs()).map(|(w, x)| w * x).sum();
        self.0.chunks(WIDTH).map(score).collect()
    }

    /// The share of `examples` that it names rightly.
    pub(super) fn accuracy(&self, examples: &[Example]) -> f64 {
        let right = examples.iter().filter(|example| {
            let scores = self.scores(example);
            let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            best == Some(example.digit)
        });
        right.count() as f64 / examples.len() as f64
    }
}

/// Federated averaging in the clear: updates weighted by their number of images.
pub(super) fn plain_average(updates: &[(u32, Vec<f64>)]) -> Vec<f64> {
    let total: f64 = updates.iter().map(|(weight, _)| f64::from(*weight)).sum();
    let mut average = vec![0.0; DIMENSION];
    for (weight, update) in updates {
        for (sum, value) in average.iter_mut().zip(update) {
            *sum += f64::from(*weight) * value / total;
        }
    }
    average
}

const WIDTH: usize = 65;
/// d of the demo's rounds.
pub(super) const DIMENSION: usize = 10 * WIDTH;
const LEARNING_RATE: f64 = 0.02;
const LOCAL_PASSES: usize = 2;

#[cfg(test)]
mod tests {
    use super::super::data::split;
    use super::*;

    #[test]
    fn training_on_everything_learns_the_digits() {
        let split = split(4).expect("the data");
        let all: Vec<_> = split.hospitals.concat();
        let mut model = Model::untrained();
        for seed in 0..5 {
            model = model.moved(&model.train(&all, seed, 2.0));
        }
        assert!(model.accuracy(&split.held_out) > 0.9);
    }

    #[test]
    fn the_plain_average_weighs_by_the_number_of_images() {
        let updates = [(1, vec![1.0; DIMENSION]), (3, vec![2.0; DIMENSION])];
        assert!(
            plain_average(&updates)
                .iter()
                .all(|value| (value - 1.75).abs() < 1e-12)
        );
    }
}
