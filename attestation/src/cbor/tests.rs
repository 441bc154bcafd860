use super::*;

#[test]
fn a_number_is_taken_in_its_shortest_form_and_in_no_longer_one() {
    for (value, size) in [
        (0, 1),
        (23, 1),
        (24, 2),
        (0xff, 2),
        (0x100, 3),
        (0xffff, 3),
        (0x1_0000, 5),
        (0xffff_ffff, 5),
        (0x1_0000_0000, 9),
        (u64::MAX, 9),
    ] {
        for (heads, bytes) in [(0x18, 1), (0x19, 2), (0x1a, 4), (0x1b, 8)] {
            let big_endian = value.to_be_bytes();
            let (cut, kept) = big_endian.split_at(8 - bytes);
            if cut.iter().any(|byte| *byte != 0) {
                continue;
            }
            let item = [&[heads], kept].concat();
            let expected = if item.len() == size {
                Ok(value)
            } else {
                Err(CborError::NotMinimal { offset: 0 })
            };
            assert_eq!(Reader::new(&item).unsigned(), expected, "{item:x?}");
        }
        if size == 1 {
            let item = [u8::try_from(value).unwrap()];
            assert_eq!(Reader::new(&item).unsigned(), Ok(value));
        }
    }
}

#[test]
fn a_wrong_type_is_told_in_words() {
    for (item, found) in [
        (&[0x20][..], "a negative integer"),
        (&[0x3b, 0, 0, 0, 1, 0, 0, 0, 0], "a negative integer"),
        (&[0x40], "a byte string"),
        (&[0x5f], "a byte string"),
        (&[0x60], "text"),
        (&[0x7f], "text"),
        (&[0x80], "an array"),
        (&[0x9f], "an array"),
        (&[0xa0], "a map"),
        (&[0xbf], "a map"),
        (&[0xc0], "a tag"),
        (&[0xf6], "null"),
        (&[0xf4], "a simple value"),
        (&[0xf7], "a simple value"),
        (&[0xe0], "a simple value"),
        (&[0xf9, 0, 0], "a floating-point number"),
        (&[0xff], "a break"),
        (&[0x1c], "a reserved head"),
    ] {
        let refused = Reader::new(item).unsigned().unwrap_err();
        let expected = format!("expected an unsigned integer at byte 0, found {found}");
        assert_eq!(refused.to_string(), expected, "{item:x?}");
    }
    let refused = Reader::new(&[0x00]).text().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "expected text at byte 0, found an unsigned integer"
    );
}
