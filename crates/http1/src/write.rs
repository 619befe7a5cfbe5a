//! Puts numbers and status lines into heads.

/// Adds a number in decimal digits.
pub fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Adds a number in hexadecimal digits, without leading zeros.
pub fn hexadecimal(number: u64, out: &mut Vec<u8>) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(number >> (4 * place)) as usize & 15]);
    }
}

/// Adds a status line. `old` says HTTP/1.0.
pub fn status_line(old: bool, status: u16, reason: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(if old { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    decimal(u64::from(status), out);
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written() {
        for number in [0, 1, 9, 10, 15, 16, 255, 256, 4096, 65_535, u64::from(u32::MAX), u64::MAX] {
            let (mut tens, mut sixteens) = (Vec::new(), Vec::new());
            decimal(number, &mut tens);
            hexadecimal(number, &mut sixteens);
            assert_eq!(String::from_utf8(tens).unwrap(), number.to_string());
            assert_eq!(String::from_utf8(sixteens).unwrap(), format!("{number:x}"));
        }
        let mut line = Vec::new();
        status_line(false, 200, b"OK", &mut line);
        assert_eq!(line, b"HTTP/1.1 200 OK\r\n");
    }
}
