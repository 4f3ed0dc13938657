// Runs in the guest. Arguments: address, how many datagrams per port, ports. The last line says how they came back.
import { exchangeDatagrams } from '../../support/datagrams.ts';

const [address, count, ports] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
console.log(JSON.stringify(await exchangeDatagrams({ address, count, ports })));
