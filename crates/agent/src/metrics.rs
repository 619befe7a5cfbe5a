//! Asks a Prometheus server: one instant query over HTTP
//! (<https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>).

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use landfall_model::Fault;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For one answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// What a server answers.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", tag = "resultType", content = "result")]
enum Data {
    Vector(Vec<Series>),
    Scalar((f64, String)),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Series {
    value: (f64, String),
}

/// The value of the first sample of the answer; `None` when there is none.
pub(crate) async fn query(server: &str, query: &str) -> Result<Option<f64>, Fault> {
    let failed = |what: &dyn std::fmt::Display| {
        Fault::machine(format!("Prometheus at {server} cannot be asked: {what}"))
    };
    let answer = timeout(ANSWER, ask(server, query)).await;
    let answer = answer.map_err(|_| failed(&format!("no answer within {} s", ANSWER.as_secs())))?;
    value(&answer.map_err(|what| failed(&what))?).map_err(|what| failed(&what))
}

async fn ask(server: &str, query: &str) -> Result<Bytes, String> {
    let rest = server.strip_prefix("http://").ok_or("only `http://` addresses are known")?;
    let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let target = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let path = format!("/{}/api/v1/query", prefix.trim_matches('/')).replace("//", "/");
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect(&target).await.map_err(|e| text(&e))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| text(&e))?;
    let driver = tokio::spawn(connection);
    let request = http::Request::post(path)
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(format!("query={}", encoded(query)))))
        .map_err(|e| text(&e))?;
    let exchanged = async {
        let answer = sender.send_request(request).await.map_err(|e| text(&e))?;
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|e| text(&e))?;
        Ok(body.to_bytes())
    }
    .await;
    driver.abort();
    exchanged
}

fn value(answer: &[u8]) -> Result<Option<f64>, String> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|e| format!("its answer is none: {e}"))?;
    if let Some(error) = answer.error {
        return Err(error);
    }
    let text = match answer.data {
        Some(Data::Vector(series)) => series.into_iter().next().map(|series| series.value.1),
        Some(Data::Scalar((_, text))) => Some(text),
        Some(Data::Other) | None => return Err("the query does not give one value".to_owned()),
    };
    text.map(|text| text.parse().map_err(|_| format!("`{text}` is no number"))).transpose()
}

/// Percent-encoded, as in a form (RFC 3986, section 2.1).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len() * 2), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string never fails.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sample_counts() {
        let vector = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"a":"b"},"value":[1795176000.1,"1"]},{"metric":{},"value":[1795176000.1,"0"]}]}}"#;
        assert_eq!(value(vector), Ok(Some(1.0)));
        let empty = br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        assert_eq!(value(empty), Ok(None));
        let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1795176000,"0.5"]}}"#;
        assert_eq!(value(scalar), Ok(Some(0.5)));
        let matrix = br#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
        assert!(value(matrix).is_err());
        let refused = br#"{"status":"error","errorType":"bad_data","error":"1:3: parse error"}"#;
        assert_eq!(value(refused), Err("1:3: parse error".to_owned()));
        assert!(value(b"<html>").is_err());
    }

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(encoded(r#"a{b="c d"} > 0"#), "a%7Bb%3D%22c%20d%22%7D%20%3E%200");
    }
}
