use super::*;

fn parse(bytes: impl AsRef<[u8]>) -> Result<TensorFile<Vec<u8>>, NpyError> {
    let bytes = bytes.as_ref();
    super::parse(bytes, bytes.len() as u64).map_err(|error| match error {
        ContentError::Npy(error) => error,
        other => panic!("{other}"),
    })
}

fn file(version: u8, header: &str, numbers: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC, &[version, 0]].concat();
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(numbers);
    bytes
}

fn refused(header: &str, numbers: &[u8]) -> NpyError {
    parse(file(1, header, numbers)).err().unwrap()
}

const HEADER: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";

#[test]
fn every_version_and_width_is_read() {
    for version in 1..=3 {
        let numbers = [7; 24];
        let read = parse(file(version, HEADER, &numbers)).unwrap();
        assert_eq!(read.numbers.as_slice(), numbers);
        assert_eq!(read.schema.tensors[0].shape, [2, 3]);
        assert_eq!(read.schema.tensors[0].dtype, Dtype::F32);
        let half = HEADER.replace("f4", "f2");
        let read = parse(file(version, &half, &[7; 12])).unwrap();
        assert_eq!(read.schema.tensors[0].dtype, Dtype::F16);
        let wide = HEADER.replace("f4", "f8");
        let read = parse(file(version, &wide, &[7; 48])).unwrap();
        assert_eq!(read.schema.tensors[0].dtype, Dtype::F64);
    }
}

#[test]
fn what_is_written_is_read_back() {
    for values in [vec![1.5], vec![0.1, -2.0, 1e300, f64::MIN_POSITIVE]] {
        let bytes = format(&values);
        assert_eq!((bytes.len() - values.len() * 8) % 64, 0);
        let read = parse(bytes).unwrap();
        let numbers: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(read.numbers.as_slice(), numbers);
        assert_eq!(read.schema.tensors[0].shape, [values.len() as u64]);
    }
}

#[test]
fn other_spellings_of_the_same_dictionary_are_read() {
    for header in [
        "{\"shape\":(6),\"descr\":\"<f4\",\"fortran_order\":True}",
        "{'shape': (2, 3,), 'fortran_order': False, 'descr': '<f4'}   \n",
        "{'shape': (1, 6, 1), 'fortran_order': False, 'descr': '<f4',}",
    ] {
        assert!(parse(file(1, header, &[0; 24])).is_ok(), "{header}");
    }
    let scalar = "{'descr': '<f8', 'fortran_order': False, 'shape': ()}";
    assert_eq!(
        parse(file(1, scalar, &[0; 8])).unwrap().schema.dimension(),
        Some(1)
    );
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = file(1, HEADER, &[7; 24]);
    for end in MAGIC.len()..whole.len() {
        assert!(parse(&whole[..end]).is_err(), "{end}");
    }
}

#[test]
fn a_shape_that_lies_is_refused() {
    let expected = NpyError::Length {
        expected: 24,
        found: 25,
    };
    assert_eq!(refused(HEADER, &[0; 25]), expected);
    for (shape, error) in [
        ("(18446744073709551615, 2)", NpyError::Shape),
        ("(4294967296, 4294967296)", NpyError::Shape),
        ("(99999999999999999999,)", NpyError::Shape),
        ("(-1,)", NpyError::Shape),
    ] {
        let header = HEADER.replace("(2, 3)", shape);
        assert_eq!(refused(&header, &[0; 24]), error, "{shape}");
    }
    let huge = HEADER.replace("(2, 3)", "(4611686018427387903,)");
    assert!(matches!(
        refused(&huge, &[0; 24]),
        NpyError::Length { found: 24, .. }
    ));
}

#[test]
fn other_content_is_refused_by_its_name() {
    let with = |descr: &str| refused(&HEADER.replace("<f4", descr), &[0; 24]);
    assert_eq!(with("|O"), NpyError::Objects);
    assert_eq!(with(">f4"), NpyError::BigEndian);
    assert_eq!(with("<i4"), NpyError::Dtype("<i4".to_owned()));
    assert_eq!(with("<c8"), NpyError::Dtype("<c8".to_owned()));
    let records = HEADER.replace("'<f4'", "[('a', '<f4')]");
    assert_eq!(refused(&records, &[0; 24]), NpyError::Records);
    let fortran = HEADER.replace("False", "True");
    assert_eq!(refused(&fortran, &[0; 24]), NpyError::FortranOrder);
}

#[test]
fn a_header_that_numpy_would_not_write_is_refused() {
    for header in [
        "",
        "{}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} + 1",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)",
        "{'descr': '<f4, 'fortran_order': False, 'shape': (6,)}",
    ] {
        assert!(parse(file(1, header, &[0; 24])).is_err(), "{header}");
    }
    assert_eq!(
        parse(file(4, HEADER, &[0; 24])).err(),
        Some(NpyError::Version { major: 4, minor: 0 })
    );
    let mut long = [MAGIC, &[2, 0]].concat();
    long.extend(u32::MAX.to_le_bytes());
    assert_eq!(parse(long).err(), Some(NpyError::HeaderLength(u32::MAX)));
}

#[test]
fn a_file_that_was_cut_after_its_length_was_asked_for_is_refused() {
    let bytes = file(1, HEADER, &[7; 24]);
    let length = bytes.len() as u64;
    let cut = super::parse::<Vec<u8>>(&bytes[..bytes.len() - 1], length)
        .err()
        .unwrap();
    let expected = NpyError::Length {
        expected: 24,
        found: 23,
    };
    assert!(matches!(cut, ContentError::Npy(error) if error == expected));
}
