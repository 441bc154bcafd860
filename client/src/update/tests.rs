use std::io::Cursor;

use super::numbers::Numbers as _;
use super::*;

mod written_by_python;

fn schema(tensors: &[(&str, &[u64], Dtype)]) -> Schema {
    Schema {
        tensors: tensors
            .iter()
            .map(|(name, shape, dtype)| TensorSpec {
                name: (*name).to_owned(),
                shape: shape.to_vec(),
                dtype: *dtype,
            })
            .collect(),
    }
}

fn refusal(update: Schema, base: Schema, wanted: &Digest) -> String {
    let dimension = update.dimension().unwrap() as usize;
    let update = Update {
        schema: update,
        values: Values::Single(vec![0.0; dimension]),
        left_out: Vec::new(),
    };
    let base = BaseModel {
        schema: base,
        digest: Digest::new([0; 32]),
        whole: Digest::new([0; 32]),
        left_out: Vec::new(),
    };
    check_layout(&update, &base, wanted)
        .unwrap_err()
        .to_string()
}

#[test]
fn the_tensor_that_differs_is_named() {
    let base = schema(&[
        ("bias", &[10], Dtype::F32),
        ("weight", &[10, 64], Dtype::F32),
    ]);
    let cases = [
        (
            schema(&[
                ("bias", &[10], Dtype::F32),
                ("weight", &[64, 10], Dtype::F32),
            ]),
            "tensor \"weight\" is F32 [64, 10], the base model has F32 [10, 64]",
        ),
        (
            schema(&[
                ("bias", &[10], Dtype::F64),
                ("weight", &[10, 64], Dtype::F32),
            ]),
            "tensor \"bias\" is F64 [10], the base model has F32 [10]",
        ),
        (
            schema(&[("weight", &[10, 64], Dtype::F32)]),
            "tensor \"bias\" (F32 [10]) of the base model is missing",
        ),
        (
            schema(&[
                ("bias", &[10], Dtype::F32),
                ("head", &[1], Dtype::F32),
                ("weight", &[10, 64], Dtype::F32),
            ]),
            "tensor \"head\" (F32 [1]) is not in the base model",
        ),
    ];
    for (update, words) in cases {
        let refused = refusal(update, base.clone(), &base.digest());
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn without_a_base_model_of_the_rounds_layout_the_digests_are_named() {
    let wanted = Digest::new([9; 32]);
    let own = schema(&[("", &[3], Dtype::F64)]);
    let refused = refusal(own.clone(), own.clone(), &wanted);
    assert!(refused.contains(&wanted.to_string()), "{refused}");
    assert!(refused.contains(&own.digest().to_string()), "{refused}");
}

#[test]
fn the_same_numbers_in_another_layout_or_type_are_another_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let mut digests = Vec::new();
    for shape in [&[4_u64][..], &[2, 2]] {
        for dtype in [Dtype::F32, Dtype::F64] {
            let schema = schema(&[("w", shape, dtype)]);
            let bytes = to_file(FileFormat::Safetensors, &schema, &[1.0, 2.0, 3.0, 4.0]).unwrap();
            std::fs::write(&path, bytes).unwrap();
            digests.push(BaseModel::read(&path, &Selection::all()).unwrap().digest());
        }
    }
    std::fs::write(&path, to_npy(&[1.0, 2.0, 3.0, 4.0])).unwrap();
    digests.push(BaseModel::read(&path, &Selection::all()).unwrap().digest());
    let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), 5);
    assert_eq!(
        BaseModel::from_values(&[1.0, 2.0, 3.0, 4.0]).digest(),
        digests[4]
    );
}

#[test]
fn a_file_of_another_kind_or_without_numbers_is_refused() {
    let content = |bytes: Vec<u8>| {
        TensorFile::<Values>::parse(Cursor::new(bytes), &Selection::all())
            .err()
            .unwrap()
    };
    assert!(matches!(
        content(b"no such format".to_vec()),
        ContentError::Unknown
    ));
    assert!(matches!(content(Vec::new()), ContentError::Unknown));
    assert!(matches!(
        content(b"PK\x03\x04 a zip".to_vec()),
        ContentError::Npz(NpzError::Zip(_))
    ));
    assert!(matches!(content(vec![0x80, 4, b'.']), ContentError::Pickle));
    assert!(matches!(content(to_npy(&[])), ContentError::Empty));
    let none = to_file(FileFormat::Safetensors, &schema(&[]), &[]).unwrap();
    assert!(matches!(content(none), ContentError::Empty));
}

#[test]
fn an_element_is_named_by_its_tensor_and_its_place_there() {
    let two = schema(&[("a", &[2, 2], Dtype::F32), ("b", &[3], Dtype::F16)]);
    let place = |index| Place::of(&two, index).map(|place| place.to_string());
    assert_eq!(place(3).unwrap(), "element 3 of tensor \"a\"");
    assert_eq!(place(4).unwrap(), "element 0 of tensor \"b\"");
    assert_eq!(place(7), None);
    let plain = Place::of(&plain(5), 4).unwrap();
    assert_eq!(plain.to_string(), "element 4");
}

/// Values that come in pieces of whole numbers.
fn values(schema: &Schema, bytes: &[u8]) -> Values {
    let mut values = Values::begin(schema, bytes.len() as u64);
    let mut rest = bytes;
    for tensor in &schema.tensors {
        let elements: u64 = tensor.shape.iter().product();
        let (own, others) = rest.split_at(elements as usize * file::width(tensor.dtype));
        own.chunks(16)
            .for_each(|piece| values.take(tensor.dtype, piece));
        rest = others;
    }
    values
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..200), npy in proptest::bool::ANY) {
        let mut bytes = if npy { npy::MAGIC.to_vec() } else { vec![20, 0, 0, 0, 0, 0, 0, 0, b'{'] };
        bytes.extend(tail);
        let _ = TensorFile::<Values>::parse(Cursor::new(&bytes), &Selection::all());
        let _ = super::tensors::whole_digest(Cursor::new(&bytes), bytes.len() as u64);
    }
}

#[test]
fn values_of_32_bits_and_less_are_held_as_such_and_equal_the_wider_ones() {
    let numbers: Vec<f32> = vec![0.5, -1.5, 3.0, f32::MIN_POSITIVE, 1e-45, f32::MAX];
    for dtype in [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64] {
        let short = schema(&[("a", &[2, 3], dtype)]);
        let long = schema(&[("a", &[2, 3], dtype), ("b", &[1], Dtype::F64)]);
        let bytes: Vec<u8> = match dtype {
            Dtype::F16 => numbers
                .iter()
                .flat_map(|n| half::f16::from_f32(*n).to_le_bytes())
                .collect(),
            Dtype::Bf16 => numbers
                .iter()
                .flat_map(|n| half::bf16::from_f32(*n).to_le_bytes())
                .collect(),
            Dtype::F32 => numbers.iter().flat_map(|n| n.to_le_bytes()).collect(),
            Dtype::F64 => numbers
                .iter()
                .flat_map(|n| f64::from(*n).to_le_bytes())
                .collect(),
        };
        let alone = values(&short, &bytes);
        assert_eq!(matches!(alone, Values::Single(_)), dtype != Dtype::F64);
        assert_eq!(alone.len(), 6);
        // Beside a tensor of 64 bits, all are held so.
        let beside = [&bytes[..], &7.5_f64.to_le_bytes()].concat();
        let beside = values(&long, &beside);
        assert!(matches!(beside, Values::Double(_)));
        assert!(beside.doubles().eq(alone.doubles().chain([7.5])));
        if dtype == Dtype::F32 {
            assert!(alone.doubles().eq(numbers.iter().copied().map(f64::from)));
        }
    }
}
