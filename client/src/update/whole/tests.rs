use std::path::PathBuf;

use sealsum_protocol::{Dtype, TensorSpec};
use tempfile::TempDir;

use super::super::{BaseModel, FileFormat, Selection, to_file};
use super::*;

/// A model of two tensors, the second with these values.
fn model(folder: &TempDir, format: FileFormat, second: [f64; 2]) -> PathBuf {
    let tensor = |name: &str, shape: &[u64], dtype| TensorSpec {
        name: name.to_owned(),
        shape: shape.to_vec(),
        dtype,
    };
    let schema = Schema {
        tensors: vec![
            tensor("a", &[3], Dtype::F32),
            tensor("b", &[2, 1], Dtype::F64),
        ],
    };
    let values = [1.0, 2.0, 3.0, second[0], second[1]];
    let path = folder.path().join(format!("{format:?}{second:?}"));
    std::fs::write(&path, to_file(format, &schema, &values).unwrap()).unwrap();
    path
}

fn only(name: &str) -> Selection {
    Selection::new(vec![name.to_owned()], Vec::new())
}

#[test]
fn a_model_is_known_again_whatever_is_selected_of_it_and_however_it_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut wholes = Vec::new();
    for format in [FileFormat::Npz, FileFormat::Safetensors] {
        let path = model(&folder, format, [4.0, 5.0]);
        let all = BaseModel::read(&path, &Selection::all()).unwrap();
        assert_eq!(all.whole(), all.digest());
        let [a, b] = ["a", "b"].map(|name| BaseModel::read(&path, &only(name)).unwrap());
        assert_ne!(a.digest(), b.digest());
        wholes.extend([all, a, b].map(|model| model.whole()));
    }
    assert!(wholes.iter().all(|whole| *whole == wholes[0]), "{wholes:?}");
}

#[test]
fn a_model_that_changed_where_nothing_is_selected_is_another() {
    let folder = tempfile::tempdir().unwrap();
    for format in [FileFormat::Npz, FileFormat::Safetensors] {
        let [before, after] = [[4.0, 5.0], [4.0, 6.0]]
            .map(|second| BaseModel::read(&model(&folder, format, second), &only("a")).unwrap());
        assert_eq!(before.digest(), after.digest());
        assert_ne!(before.whole(), after.whole());
    }
}
