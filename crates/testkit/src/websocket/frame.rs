//! Frames of at most 125 bytes (RFC 6455, section 5.2): whole messages, never fragments.

/// The most bytes of a frame's payload; what has more needs longer lengths, which nobody here sends.
pub const MAX_PAYLOAD: usize = 125;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// A text message.
    Text,
    /// The end.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

impl Opcode {
    const ALL: [(Self, u8); 4] = [(Self::Text, 1), (Self::Close, 8), (Self::Ping, 9), (Self::Pong, 10)];

    fn bits(self) -> u8 {
        Self::ALL.into_iter().find(|(opcode, _)| *opcode == self).map_or(0, |(_, bits)| bits)
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub opcode: Opcode,
    /// What it holds.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A text message.
    ///
    /// # Panics
    /// When it has more than [`MAX_PAYLOAD`] bytes.
    #[must_use]
    pub fn text(text: &str) -> Self {
        assert!(text.len() <= MAX_PAYLOAD, "a message of {} bytes is too long here", text.len());
        Self { opcode: Opcode::Text, payload: text.as_bytes().to_vec() }
    }

    /// Its bytes: masked, as clients must send them, or plain, as servers must.
    #[must_use]
    pub fn bytes(&self, mask: Option<[u8; 4]>) -> Vec<u8> {
        let length = u8::try_from(self.payload.len()).expect("at most 125 bytes");
        let mut bytes = vec![0x80 | self.opcode.bits(), if mask.is_some() { 0x80 } else { 0 } | length];
        bytes.extend(mask.into_iter().flatten());
        let mask = mask.unwrap_or_default();
        bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// Takes the first frame off received bytes; `None` while it is not all there.
    ///
    /// # Errors
    /// A frame that nobody here sends.
    pub fn take(received: &mut Vec<u8>) -> Result<Option<Self>, String> {
        let [first, second, ..] = received[..] else { return Ok(None) };
        let length = usize::from(second & 0x7f);
        let opcode = Opcode::ALL.into_iter().find(|(_, bits)| 0x80 | bits == first);
        let Some((opcode, _)) = opcode.filter(|_| length <= MAX_PAYLOAD) else {
            return Err(format!("a websocket frame that begins {first:#04x} {second:#04x}"));
        };
        let masked = second & 0x80 != 0;
        let begin = if masked { 6 } else { 2 };
        if received.len() < begin + length {
            return Ok(None);
        }
        let frame: Vec<u8> = received.drain(..begin + length).collect();
        let mask = if masked { [frame[2], frame[3], frame[4], frame[5]] } else { [0; 4] };
        let payload = frame[begin..].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        Ok(Some(Self { opcode, payload: payload.collect() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_the_standard_are_understood() {
        // RFC 6455, section 5.7.
        let mut received = vec![0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        received.extend([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        assert_eq!(Frame::take(&mut received).unwrap(), Some(Frame::text("Hello")));
        assert_eq!(Frame::take(&mut received).unwrap(), Some(Frame::text("Hello")));
        assert_eq!(Frame::take(&mut received).unwrap(), None);
        assert!(received.is_empty());
    }

    #[test]
    fn frames_arrive_byte_by_byte_and_come_out_as_they_went_in() {
        for mask in [None, Some([1, 2, 3, 250])] {
            let frame = Frame { opcode: Opcode::Close, payload: vec![3, 232] };
            let mut received = Vec::new();
            for byte in frame.bytes(mask) {
                assert_eq!(Frame::take(&mut received).unwrap(), None);
                received.push(byte);
            }
            assert_eq!(Frame::take(&mut received).unwrap(), Some(frame));
        }
    }

    #[test]
    fn what_nobody_sends_is_refused() {
        for begin in [[0x01, 0x01], [0x82, 0x01], [0x81, 0x7e], [b'H', b'T']] {
            assert!(Frame::take(&mut begin.to_vec()).is_err(), "{begin:?}");
        }
    }
}
