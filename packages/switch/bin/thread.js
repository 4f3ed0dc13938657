// A thread of a switch: what `workers` of its configuration starts.
import { runThread } from '../dist/internal.js';

runThread();
