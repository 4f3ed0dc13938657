// A DPDK port that sleeps until its receive interrupt and then sends back what came: the loop of DPDK's l3fwd-power, which
// Debian does not package, without its routing. testpmd only polls.
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>

enum { port = 0, queue = 0, descriptors = 256, burst = 32 };

static void check(int result, const char *what) {
  if (result < 0) rte_exit(1, "%s: %d\n", what, result);
}

static uint16_t echo(void) {
  struct rte_mbuf *packets[burst];
  uint16_t received = rte_eth_rx_burst(port, queue, packets, burst);
  if (received == 0) return 0;
  uint16_t sent = rte_eth_tx_burst(port, queue, packets, received);
  rte_pktmbuf_free_bulk(packets + sent, received - sent);
  return received;
}

int main(int argc, char **argv) {
  check(rte_eal_init(argc, argv), "rte_eal_init");
  struct rte_mempool *pool =
      rte_pktmbuf_pool_create("packets", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool == NULL) rte_exit(1, "no memory for packets\n");
  struct rte_eth_conf conf = {.intr_conf = {.rxq = 1}};
  check(rte_eth_dev_configure(port, 1, 1, &conf), "rte_eth_dev_configure");
  check(rte_eth_rx_queue_setup(port, queue, descriptors, SOCKET_ID_ANY, NULL, pool), "rte_eth_rx_queue_setup");
  check(rte_eth_tx_queue_setup(port, queue, descriptors, SOCKET_ID_ANY, NULL), "rte_eth_tx_queue_setup");
  check(rte_eth_dev_start(port), "rte_eth_dev_start");
  check(rte_eth_dev_rx_intr_ctl_q(port, queue, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL),
        "rte_eth_dev_rx_intr_ctl_q");
  for (;;) {
    if (echo() > 0) continue;
    check(rte_eth_dev_rx_intr_enable(port, queue), "rte_eth_dev_rx_intr_enable");
    if (echo() == 0) {
      struct rte_epoll_event event;
      rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, -1);
    }
    rte_eth_dev_rx_intr_disable(port, queue);
  }
}
