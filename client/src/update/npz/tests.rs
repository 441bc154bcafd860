use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;
use crate::update::npy;

fn zipped(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn read(bytes: Vec<u8>, selection: &Selection) -> Result<TensorFile<Vec<u8>>, ContentError> {
    parse(Cursor::new(bytes), selection)
}

fn refused(members: &[(&str, Vec<u8>)]) -> String {
    let read = read(zipped(members), &Selection::all());
    read.err().unwrap().to_string()
}

fn floats(value: f32) -> Vec<u8> {
    npy::array("<f4", &[1], &value.to_le_bytes())
}

#[test]
fn integers_and_booleans_are_left_out_and_named() {
    let file = zipped(&[
        ("steps.npy", npy::array("<i8", &[], &[0; 8])),
        ("b.npy", floats(2.0)),
        ("mask.npy", npy::array("|b1", &[1], &[1])),
        ("a.npy", floats(1.0)),
    ]);
    let read = read(file, &Selection::all()).unwrap();
    assert_eq!(read.left_out, ["mask", "steps"]);
    assert_eq!(read.numbers, [1.0_f32, 2.0].map(f32::to_le_bytes).concat());
}

#[test]
fn what_can_not_be_an_update_is_refused_by_its_name() {
    let objects = npy::array("|O", &[1], b"pickle");
    let refusal = refused(&[("w.npy", objects.clone())]);
    assert!(
        refusal.contains("\"w\"") && refusal.contains("never unpickled"),
        "{refusal}"
    );
    let refusal = refused(&[("w.npy", floats(1.0)), ("archive/data.pkl", vec![0x80, 2])]);
    assert!(refusal.contains("data.pkl"), "{refusal}");
    let mut fortran = npy::array("<f4", &[1, 1], &[0; 4]);
    let at = fortran
        .windows(5)
        .position(|word| word == b"False")
        .unwrap();
    fortran[at..at + 5].copy_from_slice(b"True ");
    assert!(refused(&[("w.npy", fortran)]).contains("Fortran"));
    let without = Selection::new(Vec::new(), vec!["o*".to_owned()]);
    let file = zipped(&[("objects.npy", objects), ("w.npy", floats(1.0))]);
    assert_eq!(read(file, &without).unwrap().numbers.len(), 4);
}

#[test]
fn an_archive_that_lies_about_a_size_is_refused_before_it_is_unpacked() {
    let packed = zipped(&[("w.npy", npy::array("<f4", &[1 << 20], &[0; 4]))]);
    let refusal = read(packed, &Selection::all()).err().unwrap().to_string();
    assert!(
        refusal.contains("4194304 bytes of numbers, 4 follow"),
        "{refusal}"
    );

    let honest = npy::array("<f8", &[4096], &[0; 4096 * 8]);
    let file = zipped(&[("w.npy", honest.clone())]);
    let needle = (honest.len() as u32).to_le_bytes();
    let places = file
        .windows(4)
        .enumerate()
        .filter(|(_, word)| *word == needle);
    let mut found = 0;
    for (at, _) in places {
        let mut lie = file.clone();
        lie[at..at + 4].copy_from_slice(&(u32::MAX - 1).to_le_bytes());
        // Readers go by the directory; the member's own header is only a copy.
        found += usize::from(read(lie, &Selection::all()).is_err());
    }
    assert!(found >= 1);
}

#[test]
fn a_bomb_within_deflates_reach_is_refused_by_its_declared_size() {
    let shape = 1_u64 << 40;
    let head = npy::array("<f8", &[shape], &[]);
    let size = head.len() as u64 + shape * 8;
    let head = Head::parse(&head).unwrap();
    assert!(head.floats(size).unwrap().1 > TOTAL_LIMIT);
}

#[test]
fn an_archive_cut_or_changed_anywhere_never_gives_other_numbers() {
    let whole = zipped(&[("w.npy", floats(1.5))]);
    let wanted = read(whole.clone(), &Selection::all()).unwrap();
    for at in 0..whole.len() {
        assert!(
            read(whole[..at].to_vec(), &Selection::all()).is_err(),
            "{at}"
        );
        let mut changed = whole.clone();
        changed[at] ^= 1;
        if let Ok(read) = read(changed, &Selection::all()) {
            assert_eq!(read.numbers, wanted.numbers, "{at}");
        }
    }
}
