//! The attacks, by what they are aimed at.

mod gossip;
mod handshakes;
mod names;
mod streams;

/// What the attacks are compared with.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_attacks() {
    let mut scene = crate::scene::Scene::new().await;
    scene
        .stands("nobody", async |_| {
            crate::scene::goes_on(crate::length(), std::future::pending()).await
        })
        .await;
}
