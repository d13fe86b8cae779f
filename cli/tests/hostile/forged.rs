//! A Noise handshake by hand, in which any key can be named as one's own (`/noise` of libp2p: XX, payload {1: key, 2: signature}).

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use libp2p::identity::Keypair;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rpc::bytes;

const PATTERN: &str = "Noise_XX_25519_ChaChaPoly_SHA256";
const SIGNED: &[u8] = b"noise-libp2p-static-key:";

/// Begins a connection as whoever has `named` (a public key as libp2p writes it), signed with `signer`. `true` if the node goes
/// on after the handshake, `false` if it hangs up.
pub(crate) async fn handshake(to: SocketAddr, named: &[u8], signer: &Keypair) -> io::Result<bool> {
    let builder = snow::Builder::new(PATTERN.parse().map_err(wrong)?);
    let own = builder.generate_keypair().map_err(wrong)?;
    let mut noise = builder
        .local_private_key(&own.private)
        .map_err(wrong)?
        .build_initiator()
        .map_err(wrong)?;
    let mut socket = TcpStream::connect(to).await?;
    for line in ["/multistream/1.0.0\n", "/noise\n"] {
        socket.write_all(&said(line)).await?;
        let mut echo = vec![0; line.len() + 1];
        socket.read_exact(&mut echo).await?;
        if echo != said(line) {
            return Err(ErrorKind::InvalidData.into());
        }
    }
    let (mut message, mut payload) = (vec![0; 65_535], vec![0; 65_535]);
    let len = noise.write_message(&[], &mut message).map_err(wrong)?;
    write(&mut socket, &message[..len]).await?;
    let answer = read(&mut socket).await?;
    noise.read_message(&answer, &mut payload).map_err(wrong)?;
    let signature = signer.sign(&[SIGNED, &own.public].concat()).map_err(wrong)?;
    let claim = [bytes(1, named), bytes(2, &signature)].concat();
    let len = noise.write_message(&claim, &mut message).map_err(wrong)?;
    write(&mut socket, &message[..len]).await?;
    let mut transport = noise.into_transport_mode().map_err(wrong)?;
    // A node that believes it answers the next question; one that does not hangs up.
    let len = transport
        .write_message(&said("/multistream/1.0.0\n"), &mut message)
        .map_err(wrong)?;
    let asked = write(&mut socket, &message[..len]).await;
    match (asked, read(&mut socket).await) {
        (Ok(()), Ok(answer)) => Ok(transport.read_message(&answer, &mut payload).is_ok()),
        _ => Ok(false),
    }
}

/// A line of the multistream protocol.
fn said(line: &str) -> Vec<u8> {
    [&[line.len() as u8], line.as_bytes()].concat()
}

async fn write(socket: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let len = (message.len() as u16).to_be_bytes();
    socket.write_all(&[&len, message].concat()).await
}

async fn read(socket: &mut TcpStream) -> io::Result<Vec<u8>> {
    let len = socket.read_u16().await?;
    let mut message = vec![0; usize::from(len)];
    socket.read_exact(&mut message).await?;
    Ok(message)
}

fn wrong(error: impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("{error:?}"))
}
