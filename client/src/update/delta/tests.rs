use std::fs;

use proptest::prelude::*;
use sealsum_protocol::TensorSpec;

use super::*;

const DTYPES: [Dtype; 4] = [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64];

fn schema(dtype: Dtype, elements: usize) -> Schema {
    let (name, shape) = ("w".to_owned(), vec![elements as u64]);
    Schema {
        tensors: vec![TensorSpec { name, shape, dtype }],
    }
}

fn subtract(schema: &Schema, base: &[f64], new: &[f64]) -> Result<Delta, DeltaError> {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["base", "new"].map(|name| folder.path().join(name));
    for (path, values) in paths.iter().zip([base, new]) {
        fs::write(
            path,
            to_file(FileFormat::Safetensors, schema, values).unwrap(),
        )
        .unwrap();
    }
    Delta::of(&paths[0], &paths[1], &Selection::all())
}

/// The delta as it is read back from its file.
fn stored(delta: &Delta) -> Vec<f64> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("delta");
    fs::write(&path, delta.to_file(FileFormat::Safetensors).unwrap()).unwrap();
    Update::read(&path, &Selection::all())
        .unwrap()
        .values()
        .doubles()
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn base_and_delta_add_up_to_new(
        pairs in prop::collection::vec((-60_i8..=60, -60_i8..=60), 1..20),
        dtype in prop::sample::select(&DTYPES[..]),
    ) {
        // Quarters up to 15, whose differences every type holds.
        let (base, new): (Vec<f64>, Vec<f64>) =
            pairs.iter().map(|(b, n)| (f64::from(*b) / 4.0, f64::from(*n) / 4.0)).unzip();
        let delta = subtract(&schema(dtype, new.len()), &base, &new).unwrap();
        let sum: Vec<f64> = base.iter().zip(stored(&delta)).map(|(b, d)| b + d).collect();
        prop_assert_eq!(sum, new);
    }

    #[test]
    fn any_delta_is_off_by_one_rounding_at_most(base in -1e6_f32..1e6, new in -1e6_f32..1e6) {
        let (base, new) = (f64::from(base), f64::from(new));
        let delta = subtract(&schema(Dtype::F32, 1), &[base], &[new]).unwrap();
        let sum = base + stored(&delta)[0];
        prop_assert!((sum - new).abs() <= (new - base).abs() * f64::from(f32::EPSILON));
    }
}

#[test]
fn a_difference_beyond_its_type_is_refused_without_its_value() {
    for (dtype, base, new) in [
        (Dtype::F16, -60000.0, 60000.0),
        (Dtype::F32, 0.0, f64::NAN),
        (Dtype::F64, f64::INFINITY, 0.0),
    ] {
        let refused = subtract(&schema(dtype, 2), &[0.0, base], &[0.0, new])
            .err()
            .unwrap();
        assert!(
            matches!(&refused, DeltaError::NotFinite(place) if place.index == 1),
            "{refused}"
        );
        assert!(!refused.to_string().contains("60000"));
    }
}

#[test]
fn another_layout_is_refused_by_the_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["base", "new"].map(|name| folder.path().join(name));
    for (path, dtype) in paths.iter().zip([Dtype::F32, Dtype::F16]) {
        let bytes = to_file(FileFormat::Npz, &schema(dtype, 1), &[1.0]).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let refused = Delta::of(&paths[0], &paths[1], &Selection::all())
        .err()
        .unwrap();
    assert!(
        refused
            .to_string()
            .contains("\"w\" is F16 [1], the base model has F32 [1]"),
        "{refused}"
    );
}

#[test]
fn each_format_holds_what_it_can_and_no_other() {
    let of = |dtype| subtract(&schema(dtype, 1), &[1.0], &[3.0]).unwrap();
    let npz = of(Dtype::F16).to_file(FileFormat::Npz).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("delta.npz");
    fs::write(&path, npz).unwrap();
    let read = Update::read(&path, &Selection::all()).unwrap();
    assert_eq!(*read.schema(), schema(Dtype::F16, 1));
    assert!(read.values().doubles().eq([2.0]));
    assert!(matches!(
        of(Dtype::Bf16).to_file(FileFormat::Npz),
        Err(WriteError::Bf16(_))
    ));
    assert!(matches!(
        of(Dtype::F32).to_file(FileFormat::Npy),
        Err(WriteError::Named)
    ));
}
