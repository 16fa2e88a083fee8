//! Phones of all sorts in E.164.

use super::*;

#[test]
fn national_phones_get_the_country_and_what_could_be_two_is_none() {
    let table = [
        ("DE", "0151 2345678", "+491512345678"),
        ("DE", "(030) 123-456/7", "+49301234567"),
        ("DE", "+49 (0)151 2345678", "+491512345678"),
        ("US", "(+49) 151 2345678", "+491512345678"),
        ("DE", "0049 151 2345678", "+491512345678"),
        ("DE", "49 1512 3456789", "+4915123456789"),
        ("de", "+1 (415) 555-0101", "+14155550101"),
        ("US", "(415) 555-0101", "+14155550101"),
        ("US", "1 415 555 0101", "+14155550101"),
        ("IT", "06 6982 1234", "+390669821234"),
        ("IT", "+39 (0)6 6982 1234", "+390669821234"),
        ("RU", "8 (912) 345-67-89", "+79123456789"),
        ("RU", "800 555 35 35", "+78005553535"),
        ("HU", "06 30 123 4567", "+36301234567"),
        ("MX", "55 1234 5678", "+525512345678"),
        ("IN", "9123456789", "+919123456789"),
        ("CI", "07 01 02 03 04", "+2250701020304"),
        ("GB", "020.7946.0958", "+442079460958"),
        ("ES", "612 34 56 78", "+34612345678"),
    ];
    for (country, phone, expected) in table {
        assert_eq!(through(&format!("e164 '{country}'"), json!(phone)), expected, "{phone} of {country}");
        // Once is enough.
        assert_eq!(through("e164", json!(expected)), expected);
        assert_eq!(through(&format!("e164 '{country}'"), json!(expected)), expected);
    }
    for (country, phone) in
        [("DE", "49 30 123456"), ("US", "555-0101"), ("US", "0415 555 0101 22"), ("DE", "0151 2345678 ext. 9")]
    {
        assert!(through(&format!("e164 '{country}'"), json!(phone))["mistake"].is_string(), "{phone} of {country}");
    }
    assert_eq!(through("e164 'DE'", json!(1_512_345_678)), "+491512345678");
}
