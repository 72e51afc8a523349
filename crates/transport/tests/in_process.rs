//! The transports without sockets.

use asaanbill_transport::contract::{self, Behaviour};
use asaanbill_transport::from_fn;
use bytes::Bytes;
use http::{Request, Response};

fn redirect<B>(body: B) -> Response<B> {
    Response::builder().status(307).header("location", "https://elsewhere.example/").body(body).unwrap()
}

#[tokio::test]
async fn a_closure_keeps_the_contract() {
    contract::in_process(|behaviour| {
        // A closure's answer is whole.
        let partial = matches!(behaviour, Behaviour::SilentBody | Behaviour::EndlessBody | Behaviour::BrokenBody);
        (!partial).then(|| {
            from_fn(move |request: Request<Bytes>| async move {
                match behaviour {
                    Behaviour::Redirect => Ok(redirect(Bytes::new())),
                    Behaviour::Silence => std::future::pending().await,
                    Behaviour::LargeBody => Ok(Response::new(Bytes::from(vec![0; 65_537]))),
                    _ => Ok(Response::new(request.into_body())),
                }
            })
        })
    })
    .await;
}

#[cfg(feature = "service")]
mod service {
    use std::convert::Infallible;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use asaanbill_transport::{AttemptDeadline, Delivery, ErrorKind, ServiceTransport, Transport};
    use axum::Router;
    use axum::body::{Body, HttpBody};
    use axum::http::{HeaderMap, Uri};
    use axum::routing::any;
    use http_body::Frame;

    use super::*;

    /// A body that never gives anything, never ends, or fails.
    struct Odd(Behaviour);

    impl HttpBody for Odd {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            match self.0 {
                Behaviour::SilentBody => Poll::Pending,
                Behaviour::EndlessBody => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1024]))))),
                _ => Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into()))),
            }
        }
    }

    async fn behave(behaviour: Behaviour, request: Request<Body>) -> Response<Body> {
        match behaviour {
            Behaviour::Redirect => redirect(Body::empty()),
            Behaviour::Silence => std::future::pending().await,
            Behaviour::SilentBody => Response::builder().status(202).body(Body::new(Odd(behaviour))).unwrap(),
            Behaviour::EndlessBody | Behaviour::BrokenBody => Response::new(Body::new(Odd(behaviour))),
            Behaviour::LargeBody => Response::new(Body::from(vec![0; 65_537])),
            _ => Response::new(request.into_body()),
        }
    }

    fn router(behaviour: Behaviour) -> Router {
        Router::new().fallback(any(move |request| behave(behaviour, request)))
    }

    #[tokio::test]
    async fn a_router_keeps_the_contract() {
        contract::in_process(|behaviour| Some(ServiceTransport::new(router(behaviour)))).await;
    }

    #[tokio::test]
    async fn a_service_that_takes_one_body_keeps_it_too() {
        contract::in_process(|behaviour| Some(ServiceTransport::<_, Body>::for_body(OnlyAxumsBody(behaviour)))).await;
    }

    /// Takes `axum::body::Body` and nothing else.
    #[derive(Clone)]
    struct OnlyAxumsBody(Behaviour);

    impl tower_service::Service<Request<Body>> for OnlyAxumsBody {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let behaviour = self.0;
            Box::pin(async move { Ok(behave(behaviour, request).await) })
        }
    }

    #[tokio::test]
    async fn a_router_sees_a_request_as_from_a_socket() {
        let router = Router::new().route(
            "/integration/add",
            any(|uri: Uri, headers: HeaderMap, body: Bytes| async move {
                format!("{uri} {:?} {:?} {body:?}", headers["host"], headers["content-length"])
            }),
        );
        let transport = ServiceTransport::new(router);
        let request = Request::post("https://hub.example/integration/add?a=b").body("{}".into()).unwrap();
        let answer = transport.send(request).await.unwrap();
        assert_eq!(answer.body(), r#"/integration/add?a=b "hub.example" "2" b"{}""#);
    }

    /// Fails before or after it took the request.
    #[derive(Clone)]
    struct Failing {
        ready: bool,
    }

    impl<B> tower_service::Service<Request<B>> for Failing {
        type Response = Response<Body>;
        type Error = io::Error;
        type Future = std::future::Ready<Result<Response<Body>, io::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
            Poll::Ready(if self.ready { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) })
        }

        fn call(&mut self, _: Request<B>) -> Self::Future {
            std::future::ready(Err(io::ErrorKind::BrokenPipe.into()))
        }
    }

    #[tokio::test]
    async fn a_service_that_fails_was_called_or_not() {
        for (ready, expected) in [(false, Delivery::NotSent), (true, Delivery::Unknown)] {
            let transport = ServiceTransport::new(Failing { ready });
            let error = transport.send(Request::new(Bytes::new())).await.unwrap_err();
            assert_eq!((error.kind(), error.delivery()), (ErrorKind::Other, expected));
        }
    }

    /// Never ready: nothing was handed over when the deadline comes.
    #[derive(Clone)]
    struct NeverReady;

    impl<B> tower_service::Service<Request<B>> for NeverReady {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = std::future::Pending<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Pending
        }

        fn call(&mut self, _: Request<B>) -> Self::Future {
            std::future::pending()
        }
    }

    #[tokio::test]
    async fn a_service_that_is_never_ready_takes_nothing() {
        let deadline = AttemptDeadline::after(std::time::Duration::from_millis(100));
        let request = Request::get("/").extension(deadline).body(Bytes::new()).unwrap();
        let error = ServiceTransport::new(NeverReady).send(request).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Timeout, Delivery::NotSent));
    }
}
