//! Places for connections: so many in all, so many for one address.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::neighbourhood;

/// The places of one listener.
pub(super) struct Places {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    each_address: usize,
}

/// One connection's place; it is free again when this is dropped.
pub(super) struct Place {
    _in_all: OwnedSemaphorePermit,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Places {
    pub(super) fn new(in_all: usize, each_address: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(in_all)),
            taken: Arc::default(),
            each_address,
        }
    }

    /// A place is waited for before the connection is taken: the rest queue in the kernel.
    /// `None` is a connection of an address that has all of its places; it is closed.
    pub(super) async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<Option<(TcpStream, SocketAddr, Place)>> {
        let free = Arc::clone(&self.free).acquire_owned();
        let in_all = free.await.map_err(io::Error::other)?;
        let (stream, address) = listener.accept().await?;
        Ok(self
            .take(address.ip(), in_all)
            .map(|place| (stream, address, place)))
    }

    fn take(&self, address: IpAddr, in_all: OwnedSemaphorePermit) -> Option<Place> {
        let address = neighbourhood(address);
        let mut taken = lock(&self.taken);
        let of_address = taken.entry(address).or_default();
        if *of_address >= self.each_address {
            return None;
        }
        *of_address += 1;
        Some(Place {
            _in_all: in_all,
            taken: Arc::clone(&self.taken),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(of_address) = taken.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

/// Held for moments only, never across an await.
fn lock(taken: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn take(places: &Places, address: IpAddr) -> Option<Place> {
        let in_all = Arc::clone(&places.free).try_acquire_owned().ok()?;
        places.take(address, in_all)
    }

    #[test]
    fn an_address_has_its_places_and_no_more_until_one_is_free_again() {
        let places = Places::new(10, 3);
        let held: Vec<_> = (0..3).map(|_| take(&places, ONE).unwrap()).collect();
        assert!(take(&places, ONE).is_none());
        assert!(take(&places, OTHER).is_some(), "others are served");
        drop(held);
        assert!(take(&places, ONE).is_some());
        assert!(
            lock(&places.taken).is_empty(),
            "nothing is left of who has gone"
        );
        assert_eq!(places.free.available_permits(), 10);
    }
}
