//! Files that numpy and safetensors wrote: client/testdata/make.py.

use super::*;

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name)
}

fn read(name: &str, select: &[&str]) -> Result<Update, TensorFileError> {
    let select = select.iter().map(|text| (*text).to_owned()).collect();
    Update::read(&path(name), &Selection::new(select, Vec::new()))
}

fn names(update: &Update) -> Vec<&str> {
    let tensors = update.schema().tensors.iter();
    tensors.map(|tensor| tensor.name.as_str()).collect()
}

const WEIGHT: [f64; 6] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25];

#[test]
fn archives_stored_and_packed_hold_the_same_update() {
    for name in ["stored.npz", "packed.npz"] {
        let update = read(name, &[]).unwrap();
        assert_eq!(names(&update), ["head.bias", "head.weight", "norm"]);
        let wanted = [&[0.5, -1.5][..], &WEIGHT, &[2.25]].concat();
        assert!(update.values().doubles().eq(wanted));
        assert_eq!(update.left_out(), ["mask", "steps"]);
    }
}

#[test]
fn tensors_of_every_width_are_read_and_integers_named() {
    let update = read("mixed.safetensors", &[]).unwrap();
    assert_eq!(names(&update), ["gate", "head.bias", "head.weight", "norm"]);
    let wanted = [&[1.0, 2.0, 0.5, -1.5][..], &WEIGHT, &[2.25]].concat();
    assert!(update.values().doubles().eq(wanted));
    assert_eq!(update.left_out(), ["mask", "steps"]);
}

#[test]
fn a_selection_means_the_same_in_every_format_and_for_models() {
    let head = ["head.*"];
    let update = read("packed.npz", &head).unwrap();
    let other = read("mixed.safetensors", &head).unwrap();
    assert_eq!(update.schema(), other.schema());
    assert!(update.left_out().is_empty());
    let selection = Selection::new(vec!["head.*".to_owned()], Vec::new());
    let digests = ["stored.npz", "mixed.safetensors"]
        .map(|name| BaseModel::read(&path(name), &selection).unwrap().digest());
    assert_eq!(digests[0], digests[1]);
    let whole = BaseModel::read(&path("stored.npz"), &Selection::all()).unwrap();
    assert_ne!(whole.digest(), digests[0]);
}

#[test]
fn what_numpy_pickles_or_turns_is_refused() {
    for (name, words) in [
        ("fortran.npz", "Fortran"),
        ("objects.npz", "never unpickled"),
    ] {
        let refused = read(name, &[]).err().unwrap().to_string();
        assert!(
            refused.contains(words) && refused.contains("\"w\""),
            "{refused}"
        );
    }
    let refused = read("stored.npz", &["layer*"]).err().unwrap().to_string();
    assert!(
        refused.contains("\"head.bias\", \"head.weight\""),
        "{refused}"
    );
    let refused = read("plain.npy", &["w"]).err().unwrap().to_string();
    assert!(refused.contains("no name"), "{refused}");
    let plain = read("plain.npy", &[]).unwrap();
    assert!(plain.values().doubles().eq(WEIGHT));
    let only = read("stored.npz", &["steps"]).err().unwrap().to_string();
    assert!(only.contains("\"steps\""), "{only}");
}
